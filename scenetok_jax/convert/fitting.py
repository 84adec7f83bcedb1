"""Parameters of one configuration in a network of another: what fits."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.convert import engine
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


def take_fitting(initial: Any, stored: Any, where: str) -> Partial:
  """Parameters, replaced by the stored ones that fit; see load.take_partial.

  initial: freshly initialised parameters. stored: those of another
  configuration; leaves may be on devices. where: the folder, for the error.
  """
  part = fit(engine.flatten(initial), engine.flatten(stored), 0, where)
  tree = jax.tree.unflatten(jax.tree.structure(initial), part.params.values())
  return dataclasses.replace(part, params=tree)


def fit(
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
