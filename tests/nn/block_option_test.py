"""An option of every block is added in three files and trains end to end."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from data_pipelines.storage import builders
from tests.data_pipelines import clips

ROOT = Path(__file__).parents[2]
# The recipe of CONTRIBUTING.md: file -> (a line of it, what takes its place).
EDITS = {
  "scenetok_jax/nn/block_spec.py": (
    "  swiglu: bool = True\n",
    "  swiglu: bool = True\n  mlp_gain: float = 1.0\n",
  ),
  "scenetok_jax/nn/blocks.py": (
    "    return constrain_tokens(dense(width, hidden",
    "    return block.mlp_gain * constrain_tokens(dense(width, hidden",
  ),
  "configs/common.py": (
    '    "rope": "2d",\n',
    '    "rope": "2d",\n    "mlp_gain": 1.0,\n',
  ),
}


def losses(package, data, workdir, *flags):
  """Losses of two steps with the package of a folder."""
  # As tests/configs/fork_test.py trains: a program is compiled once for both.
  done = subprocess.run(
    [sys.executable, "-m", "scenetok_jax.cli.train", f"--workdir={workdir}",
     "--config=configs/quickstart.py:smoke", f"--config.data.path={data}",
     "--config.train.eval_every=0", "--config.optimizer.learning_rate=0.1",
     *flags],
    cwd=package,
    env=os.environ | {"PYTHONPATH": str(package), "JAX_NUM_CPU_DEVICES": "1"},
    capture_output=True,
    text=True,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr[-2000:]
  rows = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
  return {row["step"]: row["loss"] for row in rows if "loss" in row}


def test_an_option_of_every_block_touches_three_files(tmp_path):
  copy, data = tmp_path / "copy", tmp_path / "data"
  for package in ("scenetok_jax", "data_pipelines", "configs"):
    shutil.copytree(
      ROOT / package,
      copy / package,
      symlinks=True,
      ignore=shutil.ignore_patterns("__pycache__"),
    )
  for name, (line, with_option) in EDITS.items():
    text = (copy / name).read_text()
    assert text.count(line) == 1, name
    (copy / name).write_text(text.replace(line, with_option))
  builders.build(data, clips.plan(scenes=4, frames=16, size=64))
  option = "--config.tokenizer.mlp_gain=0.25"
  plain = losses(ROOT, data, tmp_path / "plain")
  changed = losses(copy, data, tmp_path / "changed", option)
  assert plain.keys() == changed.keys() == {1, 2}
  # Zero gates hide the tokens at first; the second step sees them.
  assert plain[2] != changed[2]
