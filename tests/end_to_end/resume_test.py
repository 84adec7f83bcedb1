"""A killed run goes on exactly where an uninterrupted one would."""

import random
import signal
import subprocess

import pytest

from scenetok_jax.train.preemption import PREEMPTED
from tests.end_to_end import runs

STEPS = 90
KILLS = 5
GRACE = 30.0  # what SLURM gives by default between SIGTERM and SIGKILL


@pytest.mark.slow
@pytest.mark.faults("SIGKILL at 5 random times, then SIGTERM")
@pytest.mark.parametrize("stage", runs.STAGES)
def test_losses_after_kills_equal_the_uninterrupted_run_bit_for_bit(
  tmp_path, stage
):
  data = runs.rooms(tmp_path / "data")
  env = runs.environment()
  below = None
  if stage == "generator":
    below = runs.tokenizer_run(tmp_path, data)
  whole, killed = tmp_path / "whole", tmp_path / "killed"

  def command(workdir):
    return runs.command(stage, workdir, data, STEPS, below)

  subprocess.run(command(whole), cwd=runs.ROOT, env=env, check=True)
  moments = random.Random(seed := random.SystemRandom().randrange(2**32))
  print(f"moments of the kills drawn with seed {seed}")
  done = 0
  for kill in range(KILLS + 1):
    last = kill == KILLS
    how = signal.SIGTERM if last else signal.SIGKILL
    done = moments.randrange(done + 1, done + STEPS // (KILLS + 6))
    status, seconds = runs.disturb(
      command(killed), killed, done, moments.uniform(0, 0.1), how, env
    )
    # A run that ended before it was killed has shown nothing.
    assert STEPS not in runs.losses(killed)
    assert status == (PREEMPTED if last else -signal.SIGKILL)
    assert not last or seconds < GRACE, f"SIGTERM took {seconds:.0f} s"
    done = runs.logged_steps(killed)
  subprocess.run(command(killed), cwd=runs.ROOT, env=env, check=True)
  assert runs.losses(killed) == runs.losses(whole)
  assert len(runs.losses(whole)) == STEPS
  runs.assert_same_end(killed, whole)
