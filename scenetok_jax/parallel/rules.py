"""The table that places parameters, batches and activations on the mesh."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel.mesh import BATCH_AXES, batch_ways, loader_share
from scenetok_jax.types import Array

Spec = tuple[str | None, ...]

# Path regex (searched, first match wins) -> axes of the trailing dimensions.
# Optimiser moments and averages match too: their paths end alike.
PARAM_RULES: tuple[tuple[str, Spec], ...] = (
  (r"\b(query|key|value)/kernel$", ("fsdp", "tensor", None)),  # D heads d
  (r"\b(query|key|value)/bias$", ("tensor", None)),  # heads d
  (r"\bout/kernel$", ("tensor", None, "fsdp")),  # heads d D
  (r"(\b|_)(up|modulation)/kernel$", ("fsdp", "tensor")),  # D hidden
  (r"(\b|_)down/kernel$", ("tensor", "fsdp")),  # hidden D
  (r"(\b|_)embed/kernel$", (None, "fsdp")),  # in D
  (r"\bhead/kernel$", ("fsdp", None)),  # D out
  (r"\b(scene_tokens|null_tokens|pos_embed)$", (None, "fsdp")),  # N D
  (r"\bkernel$", (None, "fsdp")),  # ... in out: convolutions of codecs
  (r"\b(scale|bias|step|count)$", ()),  # small: replicated
  (r"", ()),
)

# A training state's trees, of which each replica along data holds and updates a
# part (arXiv 1910.02054, stage 1).
_PARTED = re.compile(r"(^|/)(params|mu|nu|ema)/")
STACKED = re.compile(r"(^|/)blocks/")  # layers [depth ...]
_SMALL = 1 << 16  # elements that are not worth a collective
_TILE = (8, 128)  # to which TPUs pad the last two dimensions

# Logical axes of activations -> mesh axes.
ACTIVATION_RULES: dict[str, tuple[str, ...]] = {
  "batch": BATCH_AXES,
  "length": ("sequence",),
  "heads": ("tensor",),
  "exchanged": ("tensor", "sequence"),  # heads, see ops/sequence.py
  "width": ("tensor",),
}


def path_name(path: Any) -> str:
  """Key path of a pytree leaf as 'decoder/blocks/mlp/up/kernel'."""
  return jax.tree_util.keystr(path, simple=True, separator="/")


def rule_of(path: str) -> int:
  """Index in PARAM_RULES of the rule that a path matches."""
  return next(
    i for i, (regex, _) in enumerate(PARAM_RULES) if re.search(regex, path)
  )


def fit(
  spec: Sequence[str | None], shape: Sequence[int], mesh: Mesh | AbstractMesh
) -> P:
  """Right-aligns spec to shape; drops axes that do not divide a dimension.

  Leading dimensions that the spec does not name (the depth of scanned
  layers) stay whole.
  """
  spec = tuple(spec)[max(0, len(spec) - len(shape)) :]
  spec = (None,) * (len(shape) - len(spec)) + spec
  return P(
    *(
      axis if axis and size % mesh.shape[axis] == 0 else None
      for axis, size in zip(spec, shape, strict=True)
    )
  )


def part(spec: P, shape: Sequence[int], mesh: Mesh | AbstractMesh) -> P:
  """spec with data as one more axis of the dimension that it cuts best.

  Unchanged where the array is small, or no dimension divides.
  """
  ways = mesh.shape["data"]
  if ways == 1 or math.prod(shape) < _SMALL:
    return spec

  def cut(place: int) -> P:
    names = (*axis_names(spec[place]), "data")
    axes = names if len(names) > 1 else "data"
    return P(*spec[:place], axes, *spec[place + 1 :])

  def padded(place: int) -> int:
    sizes = [
      size // _ways(axes, mesh)
      for size, axes in zip(shape, cut(place), strict=True)
    ]
    tiles = (1,) * (len(sizes) - 2) + _TILE[-len(sizes) :]
    return math.prod(
      -(-size // tile) * tile for size, tile in zip(sizes, tiles, strict=True)
    )

  places = [
    place
    for place, size in enumerate(shape)
    if size % (ways * _ways(spec[place], mesh)) == 0
  ]
  return cut(min(places, key=padded)) if places else spec


def axis_names(axes: Any) -> tuple[str, ...]:
  """The mesh axes of a PartitionSpec's entry."""
  return (axes,) if isinstance(axes, str) else tuple(axes or ())


def _ways(axes: Any, mesh: Mesh | AbstractMesh) -> int:
  """Into how many pieces a PartitionSpec's entry cuts its dimension."""
  return math.prod(mesh.shape[axis] for axis in axis_names(axes))


def leaf_spec(path: str, shape: Sequence[int], mesh: Mesh | AbstractMesh) -> P:
  """PartitionSpec of a leaf of parameters or state, by its path."""
  spec = fit(PARAM_RULES[rule_of(path)][1], shape, mesh)
  return part(spec, shape, mesh) if _PARTED.search(path) else spec


def param_shardings(tree: Any, mesh: Mesh) -> Any:
  """NamedSharding of every leaf of a tree of (abstract) arrays, by its path."""

  def place(path: Any, leaf: Any) -> NamedSharding:
    return NamedSharding(mesh, leaf_spec(path_name(path), leaf.shape, mesh))

  return jax.tree_util.tree_map_with_path(place, tree)


def parted(tree: Any) -> Any:
  """Parameters or gradients in the parts that a training state has."""
  return _constrained(tree, "params/")


def whole(tree: Any) -> Any:
  """Parameters of which every replica along data has all."""
  return _constrained(tree, "")


def in_matrices(tree: Any) -> Any:
  """Parameters in their parts where these are layers, else whole."""
  return _constrained(tree, "params/", layers=True)


def _constrained(tree: Any, prefix: str, layers: bool = False) -> Any:
  """tree placed by the table on the current mesh, under names with a prefix.

  layers: without it, where that would cut a layer along data.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.shape["data"] == 1:
    return tree

  def put(path: Any, leaf: Array) -> Array:
    name = path_name(path)
    spec = leaf_spec(prefix + name, leaf.shape, mesh)
    if layers and not (STACKED.search(name) and spec[0] == "data"):
      spec = leaf_spec(name, leaf.shape, mesh)
    return jax.lax.with_sharding_constraint(leaf, spec)

  return jax.tree_util.tree_map_with_path(put, tree)


def place_params(params: Any, mesh: Mesh) -> Any:
  """Parameters on the devices of a mesh, by their param_shardings."""
  return jax.device_put(params, param_shardings(params, mesh))


def placed_shapes(tree: Any, mesh: Mesh) -> Any:
  """jax.ShapeDtypeStruct of every leaf, with its param_shardings."""
  return jax.tree.map(
    lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
    tree,
    param_shardings(tree, mesh),
  )


def device_bytes(tree: Any) -> int:
  """Bytes of a tree of abstract arrays on one device."""
  return sum(
    math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(tree)
    if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
  )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The leading axis over data and fsdp, everything else whole."""
  return NamedSharding(mesh, P(BATCH_AXES))


def put_batch(batch: Any, mesh: Mesh) -> Any:
  """Host-local arrays [b ...] of each process -> global arrays [B ...].

  Rows of a process are those of the parts of its loader_share, in order.
  """
  sharding, count = batch_sharding(mesh), loader_share(mesh).total

  def put(leaf: Any) -> Array:
    return jax.make_array_from_process_local_data(
      sharding, leaf, (leaf.shape[0] * count, *leaf.shape[1:])
    )

  return jax.tree.map(put, batch)


def shard_batch(tree: Any) -> Any:
  """Arrays [B ...] over the data axes of the current mesh, where B divides."""
  mesh = jax.sharding.get_mesh()
  if mesh.empty:
    return jax.tree.map(jnp.asarray, tree)

  def put(leaf: Any) -> Array:
    divides = leaf.shape[0] % batch_ways(mesh.shape) == 0
    spec = P(BATCH_AXES) if divides else P()
    return jax.device_put(leaf, NamedSharding(mesh, spec))

  return jax.tree.map(put, tree)


def constrain(x: Array, *logical: str | None) -> Array:
  """x constrained to the mesh: a logical axis name (or None) per dimension.

  Does nothing without a mesh (jax.set_mesh). A dimension that its mesh axes
  do not divide stays unconstrained, as do axes under manual control of an
  enclosing jax.shard_map.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return x
  if len(logical) != x.ndim:
    raise ValueError(f"{len(logical)} names for an array of shape {x.shape}")
  axes = [
    _axes(mesh, n, size) for n, size in zip(logical, x.shape, strict=True)
  ]
  if not any(axes):
    return x
  free = [
    names or (None if name is None else P.UNCONSTRAINED)
    for name, names in zip(logical, axes, strict=True)
  ]
  return jax.lax.with_sharding_constraint(x, P(*free))


def split(
  function: Callable[..., Array], logical: Spec
) -> Callable[..., Array]:
  """A function of arrays with these axes, run by each device on its part.

  All arguments and the result have the logical axes, of the same sizes where
  the mesh divides them. What it does not divide, every device has whole.
  """

  def call(*arrays: Array) -> Array:
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
      return function(*arrays)
    shape = arrays[0].shape
    first, *rest = (_axes(mesh, *x) for x in zip(logical, shape, strict=True))
    # Named, or gradients are summed over them: copied, where there is one.
    lone = tuple(a for a in _free(mesh) if mesh.shape[a] == 1)
    first += tuple(a for a in lone if a not in sum(rest, first))
    spec = P(*(names or None for names in (first, *rest)))
    return jax.shard_map(
      function,
      in_specs=spec,
      out_specs=spec,
      axis_names=set(_free(mesh)),
      check_vma=False,  # kernels do not say over which axes they vary
    )(*arrays)

  return call


def _axes(mesh: Any, name: str | None, size: int) -> tuple[str, ...]:
  """The mesh axes of a dimension; none where they do not divide it."""
  if name is None:
    return ()
  names = tuple(a for a in ACTIVATION_RULES[name] if a in _free(mesh))
  ways = math.prod(mesh.shape[a] for a in names)
  return names if ways > 1 and size % ways == 0 else ()


def _free(mesh: Any) -> list[str]:
  """Axes that no enclosing jax.shard_map has under its control."""
  kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
  return [name for name, kind in kinds if kind == AxisType.Auto]
