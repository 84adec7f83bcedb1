"""A small training that several tests read: the first one runs it."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from data_pipelines.storage import builders
from tests.data_pipelines import clips

ROOT = Path(__file__).parents[1]
# An experiment of one's own, in one file.
FORK = '''"""The quickstart with larger steps."""

from scenetok_jax.configs import quickstart


def get_config(variant=""):
  config = quickstart.get_config(variant)
  config.optimizer.learning_rate = 0.1
  return config
'''


def train(folder: Path, package: Path, *options: str) -> dict[int, float]:
  """Losses of two steps of the fork in FOLDER/mine.py, run there.

  package: where scenetok_jax lies.
  """
  folder.mkdir(parents=True, exist_ok=True)
  (folder / "mine.py").write_text(FORK)
  builders.build(folder / "data", clips.plan(scenes=4, frames=16, size=64))
  done = subprocess.run(
    [sys.executable, "-m", "scenetok_jax.cli.train", "--config=mine.py:smoke",
     "--workdir=run", "--config.data.path=data",
     "--config.train.eval_every=0", *options],
    cwd=folder, capture_output=True, text=True,
    env=os.environ | {"PYTHONPATH": str(package), "JAX_NUM_CPU_DEVICES": "1"},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-2000:]
  rows = (folder / "run" / "metrics.jsonl").read_text().splitlines()
  found = {row["step"]: row["loss"] for row in map(json.loads, rows)}
  assert found.keys() == {1, 2}
  return found


def plain(shared: Path) -> tuple[Path, dict[int, float]]:
  """The fork trained by this package: its folder and losses.

  shared: a folder of all test processes; the first that asks trains.
  """
  folder, told = shared / "fork", shared / "fork.json"
  with (shared / "fork.lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not told.exists():
      told.write_text(json.dumps(train(folder, ROOT)))
  losses = json.loads(told.read_text())
  return folder, {int(step): loss for step, loss in losses.items()}
