"""Workdirs with random weights and prepared rooms, for command tests."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.cli import prepare
from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.workdir.stored_config import store_config
from tests.sampling.models import tiny, tiny_config


def write(folder: Path, config: ConfigDict, params: Any) -> Path:
  """A folder as `scenetok compact` leaves it."""
  store_config(folder, config.to_dict())
  save_compact(folder / PARAMS_FILE, params, 5)
  return folder


def stage1(folder: Path) -> Path:
  """Tokenizer and renderer."""
  return write(folder, tiny_config(), tiny()[1])


def stage2(folder: Path, tokenizer: Path) -> Path:
  """SceneGen on a stage-1 workdir."""
  config = tiny_config("generator")
  config.tokenizer_from = str(tokenizer)
  params = tiny("generator")[1]
  return write(folder, config, {"generator": params["generator"]})


def rooms(folder: Path, scenes: int, frames: int) -> Path:
  """Prepared rooms, split test."""
  prepare.main(
    ["--dataset=rooms", "--split=test", f"--scenes={scenes}",
     f"--frames={frames}", "--workers=0", f"--out={folder}"]
  )  # fmt: skip
  return folder
