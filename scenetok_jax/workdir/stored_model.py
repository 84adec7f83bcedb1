"""The model that a workdir's stored configuration describes."""

import os

from ml_collections import ConfigDict

from scenetok_jax.geometry.scale import Scale
from scenetok_jax.model import Model, build
from scenetok_jax.ops.attention import FUSED
from scenetok_jax.reading.schema import checked
from scenetok_jax.types import AUTO, explained
from scenetok_jax.workdir import ranges
from scenetok_jax.workdir.stored_config import (
  SCALE,
  SECTIONS,
  load_stored_config,
)


def stored_model(workdir: str | os.PathLike[str]) -> tuple[ConfigDict, Model]:
  """A workdir's configuration and what it builds here.

  InputError where there is none, or it is of other fields, types or sizes.
  """
  where = f"{workdir}: config.json"
  # A file of other fields or types makes what is built of it raise these.
  kinds = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError)
  remedy = "restore it, or give another run's --workdir"
  with explained(f"{where}: not a configuration of a model", remedy, *kinds):
    stored = load_stored_config(workdir)
    checked(stored.get(SCALE), Scale | None, f"{where}: {SCALE}", remedy)
    config = ConfigDict(stored)
    fields = {n: x for n, x in config.items() if n not in SECTIONS}
    ranges.check_numbers(ConfigDict(fields), where)
    if str(config.attention).startswith(FUSED):
      config.attention = AUTO  # trained where there was a kernel for it
    return config, build(config)
