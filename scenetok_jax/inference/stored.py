"""What a folder or the hub holds of a trained model, read whole."""

from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from scenetok_jax.inference.identity import DIGEST_FILE, Origin, stamp
from scenetok_jax.io import is_url, locate
from scenetok_jax.model import Model
from scenetok_jax.types import InputError
from scenetok_jax.workdir import places
from scenetok_jax.workdir.checkpoint import latest_step, restore_params
from scenetok_jax.workdir.stored_model import stored_model


class Stored(NamedTuple):
  """The first fields of a SceneTok, in their order."""

  config: ConfigDict
  model: Model
  params: Any
  step: int
  origin: Origin | None


def read_model(name: str) -> Stored:
  """The newest averages of a workdir, compact folder or hf://OWNER/NAME.

  Those of stage 1 stand beside those of stage 2.
  InputError: no configuration or checkpoint there.
  """
  folder = places.workdir(name)
  config, model = stored_model(folder)
  if places.is_hub(name):
    # Late: others do not need what reads records.
    from data_pipelines.latents.identity import codec_identities

    places.check_codecs(name, folder, codec_identities(config, model))
  step = latest_step(folder)
  read = [(folder, step)]
  params = restore_params(folder, item="ema")
  if config.stage == "generator" and "tokenizer" not in params:
    if places.is_hub(name):  # it names no folder of this machine
      raise InputError(f"{name}: holds no tokenizer; push it again")
    first = places.workdir(config.tokenizer_from)
    read.append((first, latest_step(first)))
    params = {**restore_params(first, item="ema"), **params}
  origin = None  # nothing is remembered in a bucket or the hub's cache
  if not places.is_hub(name) and not is_url(locate(folder)):
    origin = Origin(params, Path(folder) / DIGEST_FILE, stamp(read))
  return Stored(config, model, params, step, origin)
