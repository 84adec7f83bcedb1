"""Data sets by name: what `scenetok prepare` can make scenes of.

A data set is a module with a function

  plan(source, split, options) -> storage.recipes.SplitPlan

whose annotation of `options` names a dataclass of its own, a subclass of
storage.recipes.FrameOptions. A new one is such a module and a line here.
"""

import functools
import importlib
import os
import typing
from typing import Any

from data_pipelines.storage.recipes import SplitPlan
from scenetok_jax.types import InputError

SOURCES = {
  "re10k": "data_pipelines.sources.re10k",
  "acid": "data_pipelines.sources.acid",
  "dl3dv": "data_pipelines.sources.dl3dv",
  "capture": "data_pipelines.sources.capture",
  "photos": "data_pipelines.photos",
  "rooms": "data_pipelines.rooms",
  "furnished": "data_pipelines.furnished",
}


def plan(
  name: str, source: str | os.PathLike | None, split: str, options: Any = None
) -> SplitPlan:
  """What storage.builders.build writes of a data set.

  Args:
    name: one of SOURCES.
    source: folder of the raw data; None for rooms, which need none.
    split: the part to prepare, a plain word.
    options: of options_type(name); its defaults when None.

  Raises:
    InputError: no such data set, or what is wrong with its source.
  """
  make = _planner(name)
  if not split.isidentifier():
    raise InputError(
      f"--split={split}: must be a plain word such as train or test"
    )
  return make(source, split, options or options_type(name)())


@functools.cache
def options_type(name: str) -> type:
  """The dataclass of a data set's options."""
  return typing.get_type_hints(_planner(name))["options"]


def _planner(name: str) -> Any:
  if name not in SOURCES:
    raise InputError(
      f"--dataset={name}: unknown; use one of {', '.join(SOURCES)}"
    )
  return importlib.import_module(SOURCES[name]).plan
