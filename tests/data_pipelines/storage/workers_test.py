"""Workers that make parts end with the process that they work for."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_pipelines.storage import parts

WORKERS = 2


def _wait(folder: Path, part: Path) -> None:
  """Stands for the making of a part that takes long."""
  part.mkdir()
  (folder / str(os.getpid())).touch()
  time.sleep(600)


def start(folder: str) -> None:
  """Runs WORKERS parts."""
  work = functools.partial(_wait, Path(folder))
  parts.run(Path(folder), range(WORKERS), lambda number: work, WORKERS)


def _alive(name: str) -> bool:
  status = Path("/proc", name, "status")
  return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.slow
def test_no_worker_outlives_a_killed_run(tmp_path):
  program = f"from {__name__} import start; start({str(tmp_path)!r})"
  root = Path(__file__).parents[3]
  run = subprocess.Popen([sys.executable, "-c", program], cwd=root)
  workers: list[str] = []
  while len(workers) < WORKERS:
    assert run.poll() is None
    time.sleep(0.1)
    workers = [p.name for p in tmp_path.iterdir() if p.name.isdigit()]
  assert all(_alive(name) for name in workers)
  run.send_signal(signal.SIGKILL)
  run.wait()
  late = time.monotonic() + 60
  while any(_alive(name) for name in workers):
    assert time.monotonic() < late, "workers wait for ever"
    time.sleep(0.1)
