"""Real training runs of both stages, to be disturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax.cli import prepare
from scenetok_jax.workdir.checkpoint import restore_params

ROOT = Path(__file__).parents[2]
SECONDS = 1200  # for one process to get on, on a busy machine
STAGES = {"tokenizer": "smoke", "generator": "generator,smoke"}


def environment(devices: int = 1) -> dict[str, str]:
  """Variables of a process; all find what one has compiled (conftest.py)."""
  return os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}


def rooms(folder: Path) -> Path:
  """Four prepared rooms."""
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=4", "--frames=16",
     "--workers=0", f"--out={folder}"]
  )  # fmt: skip
  return folder


def flags(
  stage: str, workdir: Path, data: Path, steps: int, tokenizer: Path | None
) -> list[str]:
  """Arguments of `scenetok train`: moving averages on, a save every step 2."""
  found = [
    f"--config=configs/rooms.py:{STAGES[stage]}", f"--workdir={workdir}",
    f"--config.data.path={data}", f"--config.train.total_steps={steps}",
    "--config.train.checkpoint_every=2", "--config.train.eval_every=0",
    "--config.train.log_every=1", "--config.optimizer.ema_decay=0.9",
  ]  # fmt: skip
  if stage == "generator":
    found.append(f"--config.tokenizer_from={tokenizer}")
  return found


def command(*args: Any) -> list[str]:
  """A lone process; arguments of `flags`."""
  return [sys.executable, "-m", "scenetok_jax.cli.train", *flags(*args)]


def tokenizer_run(folder: Path, data: Path) -> Path:
  """A finished stage-1 workdir for stage 2 to stand on."""
  workdir = folder / "stage1"
  line = command("tokenizer", workdir, data, 2, None)
  subprocess.run(line, cwd=ROOT, env=environment(), check=True)
  return workdir


def losses(workdir: Path) -> dict[int, float]:
  path = workdir / "metrics.jsonl"
  lines = path.read_text().splitlines() if path.exists() else []
  rows = [json.loads(line) for line in lines if line.endswith("}")]
  return {row["step"]: row["loss"] for row in rows}


def logged_steps(workdir: Path) -> int:
  path = workdir / "metrics.jsonl"
  return path.read_text().count("\n") if path.exists() else 0


def wait_for(done: Callable[[], bool], process: subprocess.Popen) -> None:
  """Returns when `done` or the process has ended."""
  deadline = time.monotonic() + SECONDS
  while not done() and process.poll() is None:
    assert time.monotonic() < deadline, "the run made no progress"
    time.sleep(0.01)


def disturb(
  line: list[str],
  workdir: Path,
  steps: int,
  delay: float,
  how: signal.Signals,
  env: dict[str, str],
) -> tuple[int, float]:
  """Signals a run `delay` s after it has logged `steps` steps.

  Returns:
    Its exit status and the seconds from the signal to its end.
  """
  process = subprocess.Popen(line, cwd=ROOT, env=env)
  try:
    wait_for(lambda: logged_steps(workdir) >= steps, process)
    time.sleep(delay)
  except BaseException:
    process.kill()
    raise
  start = time.monotonic()
  process.send_signal(how)
  return process.wait(SECONDS), time.monotonic() - start


def assert_same_end(a: Path, b: Path) -> None:
  """Parameters and moving averages of two runs are equal bit for bit."""
  for item in ("params", "ema"):
    jax.tree.map(
      np.testing.assert_array_equal,
      restore_params(a, item=item),
      restore_params(b, item=item),
    )


def assert_close(a: Path, b: Path, steps: int, tolerance: float) -> None:
  """Losses of all steps agree to `tolerance`, relative."""
  ours, theirs = losses(a), losses(b)
  assert set(ours) == set(theirs) == set(range(1, steps + 1))
  np.testing.assert_allclose(
    [ours[k] for k in sorted(ours)],
    [theirs[k] for k in sorted(ours)],
    rtol=tolerance,
  )
