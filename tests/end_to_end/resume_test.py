"""A run killed by SIGKILL goes on exactly where an uninterrupted one would."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scenetok_jax.cli import prepare

STEPS = 36
KILLS = 2
SECONDS = 1200  # for one process to get on, on a busy machine
ROOT = Path(__file__).parents[2]
ONE_DEVICE = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}


def command(workdir: Path, data: Path) -> list[str]:
  return [
    sys.executable, "-m", "scenetok_jax.cli.train",
    "--config=configs/rooms.py:smoke", f"--workdir={workdir}",
    f"--config.data.path={data}", f"--config.train.total_steps={STEPS}",
    "--config.train.checkpoint_every=2", "--config.train.eval_every=0",
  ]  # fmt: skip


def losses(workdir: Path) -> dict[int, float]:
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  return {row["step"]: row["loss"] for row in rows}


def logged_steps(workdir: Path) -> int:
  path = workdir / "metrics.jsonl"
  return path.read_text().count("\n") if path.exists() else 0


def kill_at(arguments: list[str], workdir: Path, steps: int, delay: float):
  """Starts a run and kills it `delay` s after it has logged `steps` steps."""
  process = subprocess.Popen(arguments, cwd=ROOT, env=ONE_DEVICE)
  deadline = time.monotonic() + SECONDS
  try:
    while logged_steps(workdir) < steps and process.poll() is None:
      assert time.monotonic() < deadline, "the run made no progress"
      time.sleep(0.01)
    time.sleep(delay)
  finally:
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_losses_after_sigkill_equal_the_uninterrupted_run_bit_for_bit(tmp_path):
  data = tmp_path / "data"
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=4", "--frames=16",
     "--workers=0", f"--out={data}"]
  )  # fmt: skip
  whole, killed = tmp_path / "whole", tmp_path / "killed"
  subprocess.run(command(whole, data), cwd=ROOT, env=ONE_DEVICE, check=True)
  moments = random.Random(seed := random.SystemRandom().randrange(2**32))
  print(f"moments of the kills drawn with seed {seed}")
  done = 0
  for _ in range(KILLS):
    done = moments.randrange(done + 1, done + STEPS // (KILLS + 1))
    kill_at(command(killed, data), killed, done, moments.uniform(0, 0.1))
    assert STEPS not in losses(killed), "the run ended before it was killed"
    done = logged_steps(killed)
  subprocess.run(command(killed, data), cwd=ROOT, env=ONE_DEVICE, check=True)
  assert losses(killed) == losses(whole)
  assert len(losses(whole)) == STEPS
