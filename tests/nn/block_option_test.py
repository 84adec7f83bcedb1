"""An option of every block is added in three files and trains end to end."""

import shutil

import pytest

from tests import trainings

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


@pytest.mark.slow
def test_an_option_of_every_block_touches_three_files(tmp_path, shared_folder):
  copy = tmp_path / "copy"
  for package in ("scenetok_jax", "data_pipelines", "configs"):
    shutil.copytree(
      trainings.ROOT / package,
      copy / package,
      symlinks=True,
      ignore=shutil.ignore_patterns("__pycache__"),
    )
  for name, (line, with_option) in EDITS.items():
    text = (copy / name).read_text()
    assert text.count(line) == 1, name
    (copy / name).write_text(text.replace(line, with_option))
  option = "--config.tokenizer.mlp_gain=0.25"
  changed = trainings.train(tmp_path / "changed", copy, option)
  _, plain = trainings.plain(shared_folder)
  # Zero gates hide the tokens at first; the second step sees them.
  assert plain[2] != changed[2]
