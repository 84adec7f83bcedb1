"""Workdirs with random weights and prepared rooms, for command tests."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from safetensors.numpy import save_file

from scenetok_jax.cli import prepare
from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.convert.engine import export_tensors
from scenetok_jax.train import state as train_state
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.workdir import release
from scenetok_jax.workdir.checkpoint import Checkpointer
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


def released(file: Path) -> None:
  """Stage 1 under the names of the release."""
  model, params = tiny()
  named = {
    name: np.ascontiguousarray(tensor)
    for key, table in release.tables(model, "tokenizer").items()
    for name, tensor in export_tensors(params[key], table)
  }
  save_file(named, file, {"step": "12"})


def averaged(folder: Path) -> Path:
  """Three checkpoints of a run that keeps an average."""
  optimizer = Optimizer(ema_std=0.1)
  state = train_state.at_start({"kernel": jnp.arange(16.0)}, optimizer)
  with Checkpointer(folder, every=1, keep=3) as saver:
    for step in (1, 2, 3):
      gradients = {"kernel": jnp.full(16, 1.0 * step)}
      state, _ = train_state.apply_gradients(state, gradients, optimizer)
      saver.save(step, state, {}, {})
      saver.wait()
  store_config(folder, {"optimizer": {"ema_std": 0.1}})
  return folder


def rooms(folder: Path, scenes: int, frames: int) -> Path:
  """Prepared rooms, split test."""
  prepare.main(
    ["--dataset=rooms", "--split=test", f"--scenes={scenes}",
     f"--frames={frames}", "--workers=0", f"--out={folder}"]
  )  # fmt: skip
  return folder
