"""What a run is made of, wherever that lies: data, their scale, weights."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.geometry.scale import Scale
from scenetok_jax.io import locate
from scenetok_jax.sampling.digest import digest
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import restore_params
from scenetok_jax.workdir.stored_config import (
  CONFIG_FILE,
  IDENTITY,
  SCALE,
  compare_config,
  load_stored_config,
)


def with_identity(
  workdir: str | os.PathLike[str],
  config: ConfigDict,
  frozen: Mapping[str, Any],
  data: str,
  scale: Callable[[], Scale | None] = lambda: None,
) -> dict[str, Any]:
  """The config for store_config, with hashes of its data and frozen weights.

  frozen: of the Task. data: a data stream's identity. scale: measures its
  scenes, where the workdir does not know yet. InputError where the
  workdir, or stage 1 in config.tokenizer_from, was made of others; what an
  older one does not know cannot differ.
  """
  started = (locate(workdir) / CONFIG_FILE).exists()
  before = load_stored_config(workdir) if started else {}
  weights = {
    f"{part}_codec": params for part, params in frozen.get("codecs", {}).items()
  }
  weights["tokenizer"] = frozen.get("tokenizer")
  # Not needed to go on: read only where it is said to lie elsewhere.
  if config.restore and config.restore != before.get("restore"):
    item = "ema" if config.get("restore_ema") else "params"
    weights["restore"] = restore_params(config.restore, item=item)
  found = {name: digest(tree)[:16] for name, tree in weights.items() if tree}
  if below := config.get("tokenizer_from"):
    ours = found.get("context_codec")
    theirs = load_stored_config(below).get(IDENTITY, {})
    if ours and theirs.get("context_codec", ours) != ours:
      raise InputError(
        f"config.codecs.context.weights: of hash {ours}, but stage 1 in {below}"
        f" saw {theirs['context_codec']}; give a copy of those"
      )
  found = before.get(IDENTITY, {}) | found | {"data": data}
  settings = config.to_dict() | {IDENTITY: found}
  if measured := before.get(SCALE) or scale():
    settings[SCALE] = measured
  compare_config(workdir, settings)
  return settings
