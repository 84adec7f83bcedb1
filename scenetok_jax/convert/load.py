"""Loads one network's parameters from a checkpoint file."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.convert.engine import (
  Table,
  export_tensors,
  flatten,
  import_params,
)
from scenetok_jax.convert.reader import Tensors, read_tensors, select
from scenetok_jax.types import InputError

SCENE_TOKENS = "scene_tokens"


@dataclasses.dataclass(frozen=True)
class Partial:
  """A partial import and what it left at its initial value.

  params: the tree.
  missing: tensors that the file lacks.
  mismatched: tensors whose shape differs.
  ignored: tensors of the file that the model has no place for.
  rows: scene tokens copied, if fewer than the model has.
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


def load_params(path: str | Path, table: Table, params: Any) -> dict[str, Any]:
  """Parameters of one network, from a checkpoint of one or several.

  Args:
    path: .safetensors, or a torch checkpoint.
    table: the network's rename table.
    params: its parameters, for their shapes; abstract arrays do.

  Returns:
    A tree like params, of float32 numpy arrays.

  Raises:
    InputError: the file cannot be read, or is not exactly of this network.
  """
  tensors = select(read_tensors(path), table.prefix)
  return import_params(tensors, table, params, str(path))


def load_partial(path: str | Path, table: Table, params: Any) -> Partial:
  """Takes what fits from a checkpoint of another configuration.

  The release's rules (its load_strict: false): tensors of another shape and
  missing ones keep their initial value, unknown ones are ignored. Scene
  tokens are copied into the first rows, so that 512 trained ones can start a
  model of 1024.

  Args:
    path: as for `load_params`.
    table: the network's rename table.
    params: freshly initialised parameters.

  Raises:
    InputError: the file cannot be read, has more scene tokens than the model,
      or nothing in it fits.
  """
  tensors = select(read_tensors(path), table.prefix)
  initial = {
    name.removeprefix(table.prefix): tensor
    for name, tensor in export_tensors(params, table)
  }
  initial = {n: t for n, t in initial.items() if n not in table.buffers}
  taken, mismatched, rows = dict(initial), [], None
  for name in tensors:
    if name not in initial:
      continue
    tensor, own = tensors[name], initial[name]
    if name == SCENE_TOKENS and tensor.shape != own.shape:
      tensor, rows = _first_rows(tensor, own, str(path)), tensor.shape[1]
    if tensor.shape == own.shape:
      taken[name] = tensor
    else:
      mismatched.append(name)
  missing = [name for name in initial if name not in tensors]
  if len(missing) + len(mismatched) == len(initial):
    raise InputError(
      f"{path}: no tensor fits the model; give a checkpoint of this network"
    )
  known = {*initial, *table.buffers}
  return Partial(
    import_params(Tensors(taken, taken.__getitem__), table, params, str(path)),
    tuple(missing),
    tuple(mismatched),
    tuple(name for name in tensors if name not in known),
    rows,
  )


def take_fitting(initial: Any, stored: Any, where: str) -> Partial:
  """The same rules between two trees of this package.

  Args:
    initial: freshly initialised parameters.
    stored: those of another configuration; leaves may be on devices.
    where: the folder, for the error.

  Raises:
    InputError: as load_partial.
  """
  own, other = flatten(initial), flatten(stored)
  taken, mismatched, rows = dict(own), [], None
  for name, leaf in other.items():
    if name not in own:
      continue
    shape = own[name].shape
    if name.split("/")[-1] == SCENE_TOKENS and leaf.shape != shape:
      count = _check_rows(leaf.shape[0], shape[0], where)
      if leaf.shape[1] == shape[1]:
        leaf, rows = jnp.asarray(own[name]).at[:count].set(leaf), count
    if leaf.shape == shape:
      taken[name] = leaf
    else:
      mismatched.append(name)
  missing = tuple(name for name in own if name not in other)
  if len(missing) + len(mismatched) == len(own):
    raise InputError(
      f"{where}: no parameter fits the model; give a run of this stage"
    )
  ignored = tuple(name for name in other if name not in own)
  tree = jax.tree.unflatten(jax.tree.structure(initial), taken.values())
  return Partial(tree, missing, tuple(mismatched), ignored, rows)


def _check_rows(count: int, places: int, where: str) -> int:
  """count, if the model has places for so many scene tokens."""
  if count > places:
    raise InputError(
      f"{where}: {SCENE_TOKENS}: holds {count}, the model has {places}; set"
      f" num_tokens to at least {count}"
    )
  return count


def _first_rows(
  tensor: np.ndarray, initial: np.ndarray, where: str
) -> np.ndarray:
  """Initial scene tokens [1 N D] whose first rows are the file's."""
  count, width = tensor.shape[1:]
  _check_rows(count, initial.shape[1], where)
  if width != initial.shape[2]:
    return tensor
  return np.concatenate([tensor, initial[:, count:]], axis=1)
