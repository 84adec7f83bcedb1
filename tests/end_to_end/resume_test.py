"""A run killed by SIGKILL goes on exactly where an uninterrupted one would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scenetok_jax.cli import prepare

STEPS = 12
ROOT = Path(__file__).parents[2]


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


def finished_steps(workdir: Path) -> int:
  path = workdir / "metrics.jsonl"
  return path.read_text().count("\n") if path.exists() else 0


def kill_after(arguments: list[str], workdir: Path, steps: int) -> None:
  """Starts a run and kills it once it has logged `steps` steps."""
  process = subprocess.Popen(arguments, cwd=ROOT, env=dict(os.environ))
  deadline = time.monotonic() + 300
  while finished_steps(workdir) < steps and process.poll() is None:
    assert time.monotonic() < deadline, "the run made no progress"
    time.sleep(0.01)
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
  subprocess.run(command(whole, data), cwd=ROOT, check=True)
  kill_after(command(killed, data), killed, steps=5)
  assert STEPS not in losses(killed), "the run ended before it was killed"
  subprocess.run(command(killed, data), cwd=ROOT, check=True)
  assert losses(killed) == losses(whole)
  assert len(losses(whole)) == STEPS
