"""An experiment is one file: a fork of ours, from any folder, trains."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.cli import workdirs

_ROOT = Path(__file__).parents[2]
_FORK = '''"""The quickstart with larger steps: an experiment of one's own."""

from scenetok_jax.configs import quickstart


def get_config(variant=""):
  config = quickstart.get_config(variant)
  config.optimizer.learning_rate = 0.1
  return config
'''


def test_a_fork_trains_from_its_own_folder(tmp_path):
  data = workdirs.rooms(tmp_path / "data", scenes=2, frames=24)
  (tmp_path / "mine.py").write_text(_FORK)
  done = subprocess.run(
    [sys.executable, "-m", "scenetok_jax.cli.train", "--config=mine.py:smoke",
     "--workdir=run", f"--config.data.path={data}", "--config.data.split=test",
     "--config.train.eval_every=0"],
    cwd=tmp_path, capture_output=True, text=True,
    env={**os.environ, "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(_ROOT)},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
  assert [json.loads(row)["step"] for row in rows] == [1, 2]
  stored = json.loads((tmp_path / "run" / "config.json").read_text())
  assert stored["optimizer"]["learning_rate"] == 0.1
