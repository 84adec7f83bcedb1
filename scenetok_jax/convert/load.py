"""Loads one network's parameters from a checkpoint file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.convert import engine
from scenetok_jax.convert.reader import Tensors, read_tensors, select
from scenetok_jax.types import InputError

SCENE_TOKENS = "scene_tokens"


@dataclasses.dataclass(frozen=True)
class Partial:
  """A partial import and what it left at its initial value.

  missing: tensors that the file lacks. mismatched: of another shape.
  ignored: of the file, without a place in the model. rows: scene tokens
  copied, if fewer than the model has.
  """

  params: dict[str, Any]
  missing: tuple[str, ...]
  mismatched: tuple[str, ...]
  ignored: tuple[str, ...]
  rows: int | None

  def report(self) -> dict[str, Any]:
    """All but the parameters, for a JSON file."""
    return {
      "reinitialised": list(self.mismatched),
      "missing": list(self.missing),
      "ignored": list(self.ignored),
      "scene_tokens_copied": self.rows,
    }

  def lines(self) -> list[str]:
    """The same in words, a line for each thing; none if all was taken."""
    told = {
      "of another shape, left at their initial value": self.mismatched,
      "not in the checkpoint, left at their initial value": self.missing,
      "of the checkpoint ignored": self.ignored,
    }
    lines = [
      f"{len(names)} {text}: {', '.join(names)}"
      for text, names in told.items()
      if names
    ]
    if self.rows is not None:
      lines.append(f"the first {self.rows} scene tokens copied")
    return lines


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
  fit = _fit(initial, tensors, 1, where)
  found = Tensors(fit.params, fit.params.__getitem__)
  return dataclasses.replace(
    fit,
    params=engine.import_params(found, table, params, where),
    ignored=tuple(name for name in fit.ignored if name not in table.buffers),
  )


def take_fitting(initial: Any, stored: Any, where: str) -> Partial:
  """The same rules between two trees of this package; raises as load_partial.

  initial: freshly initialised parameters. stored: those of another
  configuration; leaves may be on devices. where: the folder, for the error.
  """
  fit = _fit(engine.flatten(initial), engine.flatten(stored), 0, where)
  tree = jax.tree.unflatten(jax.tree.structure(initial), fit.params.values())
  return dataclasses.replace(fit, params=tree)


def _fit(
  own: Mapping[str, Any], other: Mapping[str, Any], axis: int, where: str
) -> Partial:
  """Own arrays, replaced by the other ones that fit; tokens lie along axis."""
  taken, mismatched, rows = dict(own), [], None
  for name in other:
    if name not in own:
      continue
    value, initial = other[name], own[name]
    if name.split("/")[-1] == SCENE_TOKENS and value.shape != initial.shape:
      count, places = value.shape[axis], initial.shape[axis]
      if count > places:
        raise InputError(
          f"{where}: {SCENE_TOKENS}: holds {count}, the model has {places};"
          f" set num_tokens to at least {count}"
        )
      if value.shape[-1] == initial.shape[-1]:
        rest = jax.lax.slice_in_dim(initial, count, places, axis=axis)
        value, rows = jnp.concatenate([value, rest], axis), count
    if value.shape == initial.shape:
      taken[name] = value
    else:
      mismatched.append(name)
  missing = tuple(name for name in own if name not in other)
  if len(missing) + len(mismatched) == len(own):
    raise InputError(
      f"{where}: no parameter fits the model; give a checkpoint or a run of"
      " this network"
    )
  ignored = tuple(name for name in other if name not in own)
  return Partial(taken, missing, tuple(mismatched), ignored, rows)
