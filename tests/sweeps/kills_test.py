"""Every verb, killed at ten moments: the same command again ends as ever."""

import signal

import pytest

from tests.sweeps import disks
from tests.sweeps.verbs import VERBS, results

pytestmark = pytest.mark.slow

MOMENTS = 10


@pytest.mark.parametrize("name", VERBS)
def test_after_a_kill_the_same_command_gives_the_same(
  name, sweep, cell, tmp_path
):
  verb = VERBS[name]
  whole = sweep.whole(verb)
  changes, seconds = whole.ended.changes, whole.ended.seconds
  kills = [{"kill_change": 1 + changes * i // 5} for i in range(5)]
  kills += [{"kill_seconds": seconds * i / 6} for i in range(1, 6)]
  struck = 0
  for number, kill in enumerate(kills):
    with disks.mounted(tmp_path / str(number)) as disk:
      words = verb.words(sweep.inputs, disk / "out")
      ended = sweep.run(words, disk, **kill)
      late = "kill_seconds" in kill and ended.status == 0
      assert ended.status == -signal.SIGKILL or late, ended
      struck += not late
      again = sweep.run(words, disk)
      # Killed at its exit, when all was in place.
      done = again.status == 2 and "exists; delete it" in again.errors
      assert again.status == 0 or done, (kill, again)
      assert results(verb, disk) == whole.found, kill
  cell("kills", name, "killed", str(struck))
  cell("kills", name, "had ended before", str(len(kills) - struck))
  cell("kills", name, "then the same bytes", str(len(kills)))
