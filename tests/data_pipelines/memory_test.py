"""Ten times the data takes no more memory, in writing and in reading."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Scenes of 0.55 MB decoded, 0.25 MB encoded: keeping 270 of them would show.
_FEW, _MANY = 30, 300
_SLACK = 24.0  # MB, for caches that fill and a heap that wanders

pytestmark = pytest.mark.slow


def _peak(*arguments) -> float:
  """Peak memory in MB of a process of its own."""
  command = [sys.executable, "-m", "tests.data_pipelines.peak_memory"]
  done = subprocess.run(
    [*command, *map(str, arguments)],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
  )
  return float(done.stdout.splitlines()[-1])


def test_memory_is_flat_over_ten_times_the_data(tmp_path):
  few, many = tmp_path / "few", tmp_path / "many"
  writing = _peak("prepare", few, _FEW), _peak("prepare", many, _MANY)
  print(
    f"prepare: {writing[0]:.1f} MB for {_FEW}, {writing[1]:.1f} for {_MANY}"
  )
  shards = (many / "train").glob("*.array_record-*")
  assert sum(f.stat().st_size for f in shards) > 2 * _SLACK * 1e6
  reading = _peak("load", few, 30), _peak("load", many, 300)
  print(f"loader: {reading[0]:.1f} MB for {_FEW}, {reading[1]:.1f} for {_MANY}")
  assert writing[1] < writing[0] + _SLACK
  assert reading[1] < reading[0] + _SLACK
