"""A trained model: opened from the folder that holds it, ready to be used."""

import dataclasses
import os
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.model import Model, build
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import latest_step, restore_params
from scenetok_jax.workdir.stored_config import load_stored_config


@dataclasses.dataclass(frozen=True)
class SceneTok:
  """A finished or running training, opened for inference.

  config: the one that made it. model: the networks and codecs. params:
  {"tokenizer", "decoder"} and, for a stage-2 model, {"generator"}. step: of
  the checkpoint.
  """

  config: ConfigDict
  model: Model
  params: Any
  step: int

  @classmethod
  def from_pretrained(cls, path: str | os.PathLike) -> "SceneTok":
    """Opens a workdir or a compact folder, such as checkpoints/rooms.

    A stage-2 workdir brings the stage-1 networks that it was trained on.

    Raises:
      InputError: no configuration or checkpoint there.
    """
    folder = os.fspath(path)
    if folder.startswith("hf://"):
      raise InputError(
        f"{folder}: a model is opened from a local folder; download it and"
        " give the folder"
      )
    config = ConfigDict(load_stored_config(folder))
    step = latest_step(folder)
    params = restore_params(folder, item="ema")
    if config.stage == "generator":
      params = {**restore_params(config.tokenizer_from, item="ema"), **params}
    return cls(config, build(config), params, step)
