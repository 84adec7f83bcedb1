"""Moves parameters between torch's names and layouts and this package's.

A network's rename table is a tuple of rules, each a torch name, the parameter
paths it becomes, and an einops pattern between the two layouts. A pattern read
from right to left is its own inverse, so import and export share the table.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from einops import rearrange
from flax.traverse_util import unflatten_dict

from scenetok_jax.types import InputError

LAYER = "{i}"
Buffers = Mapping[str, Callable[[], np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Rule:
  """One line of a rename table.

  torch: name of a tensor; {i} counts the layers that the parameters stack on
    their leading axis.
  flax: paths of the parameters ("blocks/mlp/up/kernel"). With several, the
    pattern's result has a leading axis over them (fused projections).
  pattern: einops pattern, torch layout -> flax layout of one layer.
  sizes: axis lengths that the pattern cannot infer.
  """

  torch: str
  flax: tuple[str, ...]
  pattern: str
  sizes: tuple[tuple[str, int], ...] = ()

  @property
  def stacked(self) -> bool:
    return LAYER in self.torch

  def to_flax(self, tensor: np.ndarray) -> list[np.ndarray]:
    """Torch layout -> one array per path."""
    out = rearrange(tensor, self.pattern, **dict(self.sizes))
    return list(out) if len(self.flax) > 1 else [out]

  def to_torch(self, parts: list[np.ndarray]) -> np.ndarray:
    """One array per path -> torch layout."""
    left, right = self.pattern.split("->")
    # einops stacks a list along a new leading axis.
    source = parts if len(self.flax) > 1 else parts[0]
    return rearrange(source, f"{right} -> {left}", **dict(self.sizes))

  def matches(self, name: str) -> bool:
    """Whether a name is of this rule, for any layer."""
    regex = re.escape(self.torch).replace(re.escape(LAYER), r"\d+")
    return re.fullmatch(regex, name) is not None


@dataclasses.dataclass(frozen=True)
class Table:
  """How one network is named in a torch checkpoint.

  rules: the rename table.
  prefix: what its names start with in a checkpoint of several networks.
  buffers: constants that torch stores with the parameters, by name: ignored
    on import, made anew on export.
  """

  rules: tuple[Rule, ...]
  prefix: str = ""
  buffers: Buffers = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Entry:
  """A tensor that a network's checkpoint holds: rule, layer, torch shape."""

  rule: Rule
  layer: int | None
  shape: tuple[int, ...]


def flatten(params: Any) -> dict[str, Any]:
  """Tree of parameters -> leaves by path, "blocks/mlp/up/kernel"."""
  return {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(params)
  }


def manifest(table: Table, params: Any) -> dict[str, Entry]:
  """Every tensor that a checkpoint of (abstract) parameters holds, by name.

  Names without the table's prefix; no buffers.

  Raises:
    ValueError: the table and the parameters do not cover each other exactly.
  """
  shapes = {path: tuple(leaf.shape) for path, leaf in flatten(params).items()}
  used = [path for rule in table.rules for path in rule.flax]
  if sorted(used) != sorted(shapes):
    raise ValueError(
      "the rename table does not cover the parameters: without a rule"
      f" {sorted(set(shapes) - set(used))}, without a parameter"
      f" {sorted(set(used) - set(shapes))}, named twice"
      f" {sorted({path for path in used if used.count(path) > 1})}"
    )
  entries = {}
  for rule in table.rules:
    leaves = [shapes[path] for path in rule.flax]
    depth = leaves[0][0] if rule.stacked else None
    parts = [shape[1:] if rule.stacked else shape for shape in leaves]
    abstract = [jax.ShapeDtypeStruct(part, np.float32) for part in parts]
    shape = tuple(jax.eval_shape(rule.to_torch, abstract).shape)
    for layer in [None] if depth is None else range(depth):
      name = rule.torch.replace(LAYER, str(layer))
      entries[name] = Entry(rule, layer, shape)
  return entries


def import_params(
  tensors: Mapping[str, np.ndarray], table: Table, params: Any, where: str
) -> dict[str, Any]:
  """Torch tensors -> parameters, with strict coverage both ways.

  tensors: by name, without the table's prefix; read one at a time. params:
  of the network, for their shapes; abstract arrays do. where: the file.
  Returns a tree like params, of float32 numpy arrays.

  Raises:
    InputError: names every tensor that no rule knows, that the file lacks or
      has too many, whose shape differs, or that holds a NaN or infinity.
  """
  entries = manifest(table, params)
  problems: dict[str, list[str]] = {
    "missing": [table.prefix + n for n in entries if n not in tensors],
    "not in this model": [],
    "of unknown name": [],
    "of another shape": [],
    "not finite": [],
  }
  leaves = {
    path: np.empty(leaf.shape, np.float32)
    for path, leaf in flatten(params).items()
  }
  for name in tensors:
    entry = entries.get(name)
    if entry is None:
      if name not in table.buffers:
        known = any(rule.matches(name) for rule in table.rules)
        kind = "not in this model" if known else "of unknown name"
        problems[kind].append(table.prefix + name)
      continue
    tensor = tensors[name]
    if tuple(tensor.shape) != entry.shape:
      problems["of another shape"].append(
        f"{table.prefix}{name} is {list(tensor.shape)}, the model's"
        f" {list(entry.shape)}"
      )
    elif not np.isfinite(tensor).all():
      problems["not finite"].append(table.prefix + name)
    else:
      place = ... if entry.layer is None else entry.layer
      for path, part in zip(
        entry.rule.flax, entry.rule.to_flax(tensor), strict=True
      ):
        leaves[path][place] = part
  complain(
    problems,
    where,
    "use the configuration that the checkpoint was trained with, or import it"
    " partially",
  )
  return unflatten_dict(leaves, sep="/")


def complain(
  problems: Mapping[str, list[str]],
  where: str,
  remedy: str,
  most: int | None = None,
) -> None:
  """Raises one InputError that tells every problem, with `most` names each."""
  found = [
    f"{len(names)} {kind} ({'; '.join(names[:most])}"
    f"{', ...' * (len(names) > len(names[:most]))})"
    for kind, names in problems.items()
    if names
  ]
  if found:
    raise InputError(f"{where}: tensors: {', '.join(found)}; {remedy}")


def file_buffers(
  tensors: Mapping[str, np.ndarray], table: Table
) -> dict[str, np.ndarray]:
  """Buffers of a file that making them anew does not reproduce bit by bit.

  torch's cosine rounds otherwise than numpy's, and by machine. An export that
  is given these (see `with_buffers`) repeats the file exactly.
  """
  return {
    name: tensors[name]
    for name, make in table.buffers.items()
    if name in tensors and not np.array_equal(tensors[name], make())
  }


def with_buffers(table: Table, arrays: Mapping[str, np.ndarray]) -> Table:
  """The table with some of its buffers fixed to given arrays."""
  fixed = {name: lambda a=array: a for name, array in arrays.items()}
  return dataclasses.replace(table, buffers={**table.buffers, **fixed})


def export_tensors(
  params: Any, table: Table
) -> Iterator[tuple[str, np.ndarray]]:
  """Parameters -> (name, tensor) as torch stores them, buffers included.

  Yields one tensor at a time with the table's prefix, so that a large network
  is not held twice.
  """
  leaves = flatten(params)
  for name, entry in manifest(table, params).items():
    layer = ... if entry.layer is None else entry.layer
    parts = [np.asarray(leaves[path][layer]) for path in entry.rule.flax]
    yield table.prefix + name, entry.rule.to_torch(parts)
  for name, make in table.buffers.items():
    yield table.prefix + name, make()
