"""`scenetok train` on disks that refuse: it ends, with one line."""

import pytest

from tests.sweeps import disks
from tests.sweeps.disks import Usage
from tests.sweeps.verbs import tree

pytestmark = pytest.mark.slow

LIMIT = 600.0  # seconds of a run, its end included
_NOISE = ("Traceback", "Event loop is closed", "Exception", "orbax")


def _words(sweep, out):
  return [
    "train", "--config=configs/rooms.py:smoke", f"--workdir={out}",
    f"--config.data.path={sweep.inputs / 'train'}", "--config.data.workers=0",
    "--config.train.checkpoint_every=1", "--config.train.eval_every=0",
  ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(sweep, tmp_path_factory):
  """What a run of two steps takes of its disk."""
  with disks.mounted(tmp_path_factory.mktemp("train") / "disk") as disk:
    before = disks.usage(disk)
    ended = sweep.run(_words(sweep, disk / "out"), disk)
    assert ended.status == 0, ended
    after = disks.usage(disk)
  return Usage(*(a - b for a, b in zip(after, before, strict=True)))


# Of its inodes a run gives back some before it needs the last.
@pytest.mark.parametrize(
  "of, share",
  [
    *(("pages", x) for x in (0, 0.3, 0.9)),
    *(("inodes", x) for x in (0, 0.3, 0.6)),
  ],
)
def test_training_ends_where_it_cannot_save(
  of, share, sweep, cell, whole, tmp_path
):
  with disks.mounted(tmp_path / "disk") as disk:
    (disk / "notes.txt").write_text("the user's")
    before = tree(disk)
    disks.limit(disk, **{of: int(getattr(whole, of) * share)})
    ended = sweep.run(_words(sweep, disk / "out"), disk, limit=LIMIT)
    after = tree(disk)
  cell("training", f"{share:.0%} of {of}", "status", str(ended.status))
  assert ended.status == 2, ended
  assert not [word for word in _NOISE if word in ended.errors], ended.errors
  (line,) = [x for x in ended.errors.splitlines() if ": error: " in x]
  assert line.startswith("scenetok train: error: ") and str(disk) in line
  assert "free space there" in line
  assert {name: after.get(name) for name in before} == before
