"""A trained model, opened from the folder of its run."""

import dataclasses
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.model import Model, build
from scenetok_jax.workdir.checkpoint import latest_step, restore_params
from scenetok_jax.workdir.stored_config import load_stored_config


@dataclasses.dataclass(frozen=True)
class Run:
  """A finished or running training, opened for inference.

  config: the one that made the workdir. params: {"tokenizer", "decoder"} and,
  for a stage-2 workdir, {"generator"}.
  """

  config: ConfigDict
  model: Model
  params: Any
  step: int


def load_run(workdir: str) -> Run:
  """Opens a workdir; stage 2 brings the stage-1 networks it was trained on.

  Raises:
    InputError: no configuration or checkpoint there.
  """
  config = ConfigDict(load_stored_config(workdir))
  step = latest_step(workdir)
  params = restore_params(workdir, item="ema")
  if config.stage == "generator":
    params = {**restore_params(config.tokenizer_from, item="ema"), **params}
  return Run(config, build(config), params, step)
