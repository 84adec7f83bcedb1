"""Moves parameters between torch's names and layouts and this package's.

A tensor's name is derived from the path of the parameter that it becomes, its
layout from an einops pattern. A pattern read from right to left is its own
inverse, so import and export share the table.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from einops import rearrange
from flax.traverse_util import unflatten_dict

from scenetok_jax.types import InputError

LAYER = "{i}"
Rename = tuple[str, str]
Layouts = Mapping[str, str]
Buffers = Mapping[str, Callable[[], np.ndarray]]

_LAYOUTS: Layouts = {
  "1D": "d -> d",
  "2D": "o i -> i o",
  "4D": "o i p q -> p q i o",
  "5D": "o i t p q -> t p q i o",
}
_WORDS = {
  "kernel": "weight",
  "scale": "weight",
  "mean": "running_mean",
  "var": "running_var",
}
_PART = re.compile(r"\[\d\]")
_NUMBER = re.compile(r"\b\d+\b")


@dataclasses.dataclass(frozen=True)
class Table:
  """How one network is named in a torch checkpoint.

  renames: regular expressions and what takes their place, applied to a
    parameter's path ("blocks/mlp/up/kernel") one after another; then "/"
    becomes "." and the last word torch's. {i} in the result counts the layers
    that the parameter stacks on its leading axis. Results that differ only in
    [0], [1], ... are parts of one tensor, which torch fuses along its first
    axis.
  layouts: einops patterns, torch's layout -> ours of one layer, where they are
    not those of linear layers and convolutions. The first whose key, a regular
    expression, matches a parameter's path and rank ("head/kernel 2D").
  sizes: lengths of the patterns' axes that shapes do not tell.
  prefix: what its names start with in a checkpoint of several networks.
  buffers: constants that torch stores with the parameters, by name: ignored
    on import, made anew on export.
  """

  renames: Sequence[Rename] = ()
  layouts: Layouts = dataclasses.field(default_factory=dict)
  sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
  prefix: str = ""
  buffers: Buffers = dataclasses.field(default_factory=dict)

  def rename(self, path: str) -> str:
    """Path of a parameter -> torch's name, with {i} and parts."""
    for pattern, new in self.renames:
      path = re.sub(pattern, new, path)
    *parents, last = path.split("/")
    return ".".join((*parents, _WORDS.get(last, last)))

  def layout(self, path: str, shape: Sequence[int]) -> tuple[str, dict]:
    """(pattern, its sizes) of one layer of a parameter."""
    pattern = next(
      layout
      for key, layout in (*self.layouts.items(), *_LAYOUTS.items())
      if re.search(key, f"{path} {len(shape)}D")
    )
    # Axes that torch keeps as one have lengths that only our shape tells.
    torch, own = pattern.split("->")
    axes = zip(own.split(), shape, strict=True) if "(" in torch else ()
    names = re.findall(r"\w+", pattern)
    sizes = {k: n for k, n in self.sizes.items() if k in names}
    return pattern, sizes | dict(axes)


@dataclasses.dataclass(frozen=True)
class Entry:
  """A tensor that a network's checkpoint holds.

  paths: of its parameters. layer: on their leading axis; None: not stacked.
  pattern, sizes: of each parameter's part. shape: torch's.
  """

  paths: tuple[str, ...]
  layer: int | None
  pattern: str
  sizes: Mapping[str, int]
  shape: tuple[int, ...] = ()

  def to_flax(self, tensor: np.ndarray) -> list[np.ndarray]:
    """Torch layout -> one array per path."""
    parts = rearrange(tensor, "(n o) ... -> n o ...", n=len(self.paths))
    return [rearrange(part, self.pattern, **self.sizes) for part in parts]

  def to_torch(self, parts: Sequence[np.ndarray]) -> np.ndarray:
    """One array per path -> torch layout."""
    own, torch = reversed(self.pattern.split("->"))
    found = [rearrange(x, f"{own} -> {torch}", **self.sizes) for x in parts]
    return rearrange(found, "n o ... -> (n o) ...")


def flatten(params: Any) -> dict[str, Any]:
  """Tree of parameters -> leaves by path, "blocks/mlp/up/kernel"."""
  return {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(params)
  }


def manifest(table: Table, params: Any) -> dict[str, Entry]:
  """Every tensor that a checkpoint of (abstract) parameters holds, by name.

  Names without the table's prefix; no buffers. ValueError where the table gives
  one name to two parameters.
  """
  leaves, parts = flatten(params), dict[str, str]()
  for path in leaves:
    name = table.rename(path)
    if name in parts:
      raise ValueError(f"{path} and {parts[name]} are both {name}")
    parts[name] = path
  tensors: dict[str, list[str]] = {}
  for name in sorted(parts):
    tensors.setdefault(_PART.sub("", name), []).append(parts[name])
  entries = {}
  for name, paths in tensors.items():
    shape = tuple(leaves[paths[0]].shape)
    layers: Sequence[int | None] = (None,)
    if LAYER in name:
      layers, shape = range(shape[0]), shape[1:]
    entry = Entry(tuple(paths), None, *table.layout(paths[0], shape))
    part = jax.ShapeDtypeStruct(shape, np.float32)
    torch = jax.eval_shape(entry.to_torch, [part] * len(paths)).shape
    for i in layers:
      entries[name.replace(LAYER, str(i))] = dataclasses.replace(
        entry, layer=i, shape=torch
      )
  return entries


def import_params(
  tensors: Mapping[str, np.ndarray], table: Table, params: Any, where: str
) -> dict[str, Any]:
  """Torch tensors -> parameters, with strict coverage both ways.

  tensors: by name, without the table's prefix; read one at a time. params:
  of the network, for their shapes; abstract arrays do. where: the file.
  Returns a tree like params, of float32 numpy arrays.

  InputError names every tensor that no rule knows, that the file lacks or has
  too many, whose shape differs, or that holds a NaN or infinity.
  """
  entries = manifest(table, params)
  # Names of more layers than the model has are told from strange ones.
  numberless = {_NUMBER.sub("0", name) for name in entries}
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
        other = _NUMBER.sub("0", name) in numberless
        kind = "not in this model" if other else "of unknown name"
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
      parts = entry.to_flax(tensor)
      for path, part in zip(entry.paths, parts, strict=True):
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


def check_same(
  found: Mapping[str, Any], wanted: Mapping[str, Any], where: str, remedy: str
) -> None:
  """InputError naming arrays, by path, that differ in name or shape."""
  problems = {
    "missing": sorted(wanted.keys() - found.keys()),
    "of unknown name": sorted(found.keys() - wanted.keys()),
    "of another shape": [
      f"{name} is {list(found[name].shape)}, the model's {list(leaf.shape)}"
      for name, leaf in wanted.items()
      if name in found and tuple(found[name].shape) != tuple(leaf.shape)
    ],
  }
  complain(problems, where, remedy, most=5)


def file_buffers(
  tensors: Mapping[str, np.ndarray], table: Table
) -> dict[str, np.ndarray]:
  """Those buffers of a file that are not made anew bit by bit.

  torch's cosine rounds otherwise than numpy's, and by machine. An export that
  is given these, named with the prefix, repeats the file (see `with_buffers`).
  """
  return {
    table.prefix + name: tensors[name]
    for name, make in table.buffers.items()
    if name in tensors and not np.array_equal(tensors[name], make())
  }


def with_buffers(table: Table, arrays: Mapping[str, np.ndarray]) -> Table:
  """The table with those of its buffers fixed that `file_buffers` gave."""
  fixed = {
    name: lambda array=arrays[table.prefix + name]: array
    for name in table.buffers
    if table.prefix + name in arrays
  }
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
    parts = [np.asarray(leaves[path][layer]) for path in entry.paths]
    yield table.prefix + name, entry.to_torch(parts)
  for name, make in table.buffers.items():
    yield table.prefix + name, make()


def check_finite(params: Any, where: str | os.PathLike) -> None:
  """InputError naming parameters that hold a NaN or an infinity here.

  On the host: compiling that for a tree takes longer than reading it.
  """
  leaves = flatten(params)
  spoilt = [name for name, leaf in leaves.items() if not _finite(leaf)]
  if spoilt:
    raise InputError(
      f"{where}: {len(spoilt)} of {len(leaves)} parameters are not finite"
      f" ({spoilt[0]} among them); use an earlier checkpoint, or fetch it again"
    )


def _finite(leaf: Any) -> bool:
  """Of the parts of an array that this process has; abstract ones pass."""
  if not isinstance(leaf, jax.Array):
    return not isinstance(leaf, np.ndarray) or bool(np.isfinite(leaf).all())
  parts = {str(part.index): part.data for part in leaf.addressable_shards}
  return all(np.isfinite(np.asarray(part)).all() for part in parts.values())
