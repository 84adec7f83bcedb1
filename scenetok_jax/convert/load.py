"""Loads one network's parameters from a checkpoint file."""

import dataclasses
from pathlib import Path
from typing import Any

from scenetok_jax.convert import engine
from scenetok_jax.convert.fitting import Partial, fit
from scenetok_jax.convert.reader import Tensors, read_tensors, select


def load_params(
  path: str | Path, table: engine.Table, params: Any
) -> dict[str, Any]:
  """Parameters of one network, from a checkpoint of one or several.

  path: .safetensors, or a torch checkpoint. params: for their shapes; abstract
  arrays do. Returns a tree like params, of float32 numpy arrays. InputError
  where the file cannot be read, or is not exactly of this network.
  """
  tensors = select(read_tensors(path), table.prefix)
  return engine.import_params(tensors, table, params, str(path))


def load_partial(path: str | Path, table: engine.Table, params: Any) -> Partial:
  """take_partial of a file; path: as for `load_params`."""
  return take_partial(read_tensors(path), table, params, str(path))


def take_partial(
  tensors: Tensors, table: engine.Table, params: Any, where: str
) -> Partial:
  """Takes what fits from a checkpoint of another configuration.

  The release's rules (its load_strict: false): tensors of another shape and
  missing ones keep their initial value, unknown ones are ignored. Scene
  tokens are copied into the first rows, so that 512 trained ones can start a
  model of 1024.

  tensors: of one network or several. params: freshly initialised. where: the
  file. InputError where it has more scene tokens than the model, or nothing in
  it fits.
  """
  tensors = select(tensors, table.prefix)
  initial = {
    name.removeprefix(table.prefix): tensor
    for name, tensor in engine.export_tensors(params, table)
  }
  initial = {n: t for n, t in initial.items() if n not in table.buffers}
  part = fit(initial, tensors, 1, where)
  found = Tensors(part.params, part.params.__getitem__)
  return dataclasses.replace(
    part,
    params=engine.import_params(found, table, params, where),
    ignored=tuple(name for name in part.ignored if name not in table.buffers),
  )
