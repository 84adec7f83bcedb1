"""Gradient norms as the reference counts them; means over parts of a batch."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from scenetok_jax.parallel.mesh import BATCH_AXES
from scenetok_jax.parallel.rules import STACKED, path_name
from scenetok_jax.types import Array, InputError

_PROJECTION = re.compile(r"^(.*)/(query|key|value)/(kernel|bias)$")


def reference_group(path: str) -> tuple[str, bool]:
  """The reference tensor of a parameter; whether its first axis is depth.

  Layers below a module named `blocks` are stacked along the leading axis.
  Query, key and value of self-attention are one fused tensor; in modules whose
  name contains `cross` they are three (docs/architecture/training.md).
  """
  stacked = STACKED.search(path) is not None
  match = _PROJECTION.match(path)
  if match and "cross" not in match[1].rsplit("/", 1)[-1]:
    return f"{match[1]}/fused/{match[3]}", stacked
  return path, stacked


def tensor_norms(gradients: Any) -> dict[str, Array]:
  """L2 norm of each reference tensor: float32 [1], [depth] of a stacked one."""
  squares: dict[str, Array] = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
    name, stacked = reference_group(path_name(path))
    axes = tuple(range(1 if stacked else 0, leaf.ndim))
    square = jnp.sum(jnp.square(leaf.astype(jnp.float32)), axis=axes)
    squares[name] = squares.get(name, 0.0) + jnp.atleast_1d(square)
  return {name: jnp.sqrt(square) for name, square in squares.items()}


def mean_tensor_norm(norms: dict[str, Array], idle: Any) -> Array:
  """Mean of tensor_norms; idle: tree of bool [], True of those left out."""
  active = {
    reference_group(path_name(path))[0]: ~flag
    for path, flag in jax.tree_util.tree_leaves_with_path(idle)
  }
  total = sum(norms[name].sum() * active[name] for name in norms)
  count = sum(norms[name].size * active[name] for name in norms)
  return total / jnp.maximum(count, 1)


def all_finite(gradients: Any) -> Array:
  """True when no element is NaN or infinite; bool []."""
  # x - x is NaN just where x is not finite: a fifth of the time of isfinite.
  leaves = [jnp.sum(g - g) for g in jax.tree.leaves(gradients)]
  return jnp.isfinite(jnp.stack(leaves)).all()


def accumulate(
  function: Callable[[Any, Any, Array], Any],
  params: Any,
  batch: Any,
  key: Array,
  count: int,
) -> Any:
  """Mean of a function over `count` micro-batches, as a scan; float32.

  function: (params, batch, key) -> tree of floats that are means over the
  batch, gradients among them. batch: tree of arrays [B ...]; B must be
  divisible by count. Micro-batches are strided, so that a batch axis split
  over devices stays so. key: split between the micro-batches when count > 1.
  """
  if count == 1:
    return function(params, batch, key)
  parts = _micro_batches(batch, key, count)
  return _mean(lambda part: function(params, *part), parts, count)


def _micro_batches(batch: Any, key: Array, count: int) -> tuple[Any, Array]:
  """Arrays [B ...] -> [m b ...], strided, and m keys."""
  parts = jax.tree.map(
    lambda x: rearrange(x, "(b m) ... -> m b ...", m=count), batch
  )
  return parts, jax.random.split(key, count)


def _mean(function: Callable[[Any], Any], parts: Any, count: int) -> Any:
  """Mean of function(part) over parts, arrays [count ...]; float32."""

  def body(total: Any, part: Any) -> tuple[Any, None]:
    result = function(part)
    return jax.tree.map(lambda t, r: t + r / count, total, result), None

  first = jax.tree.map(lambda x: x[0], parts)
  shapes = jax.eval_shape(function, first)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.float32), shapes)
  return jax.lax.scan(body, zeros, parts)[0]


class Reduction(NamedTuple):
  """How gradients are summed over the devices that split the batch.

  dtype: in which they are sent and added. deferred: once a step, not in every
  micro-batch.
  """

  dtype: str
  deferred: bool

  @classmethod
  def of(
    cls, config: ConfigDict, sizes: Mapping[str, int]
  ) -> "Reduction | None":
    """As config.train asks for; None where the compiler may choose.

    sizes: of the mesh's axes. InputError for what it cannot give.
    """
    dtype, deferred = config.train.reduce_dtype, config.train.defer_reduction
    if dtype not in (None, "float32", "bfloat16"):
      raise InputError(
        f"config.train.reduce_dtype: {dtype!r} is no type of a reduction; use"
        " float32 or bfloat16, or leave it unset"
      )
    if dtype is None and not deferred:
      return None
    field = "reduce_dtype" if dtype else "defer_reduction"
    for axis in ("fsdp", "sequence"):
      if sizes[axis] > 1:
        raise InputError(
          f"config.train.{field}: over the axis {axis} the compiler reduces"
          f" gradients layer by layer; set mesh.{axis}=1 or leave it unset"
        )
    return cls(dtype or config.dtype, bool(deferred))


def accumulate_apart(
  function: Callable[[Any, Any, Any], Any],
  draw: Callable[[Any, Array], Any],
  params: Any,
  shared: Any,
  batch: Any,
  key: Array,
  count: int,
  reduction: Reduction,
) -> Any:
  """accumulate with gradients reduced as told; needs a mesh.

  Devices take the gradients of their own scenes, then reduce them.

  function: (params, shared, drawn) -> (gradients, tree of floats), means over
  the scenes drawn. draw: (batch, key) -> arrays [B ...] or [], over the whole
  micro-batch, so that the draws are those of accumulate. shared: what every
  scene reads.
  """
  if count == 1:
    drawn = jax.tree.map(lambda x: x[None], draw(batch, key))
  else:
    parts = _micro_batches(batch, key, count)
    drawn = jax.lax.map(lambda part: draw(*part), parts)
  # Whole axes are manual too: kernels then see plain arrays.
  sizes = jax.sharding.get_abstract_mesh().shape
  manual = {a for a, n in sizes.items() if a in BATCH_AXES or n == 1}

  def total(result: Any) -> Any:
    gradients, rest = result
    return _device_mean(gradients, reduction.dtype), _device_mean(rest)

  def local(params: Any, shared: Any, drawn: Any) -> Any:
    def part(drawn: Any) -> Any:
      result = function(params, shared, drawn)
      return result if reduction.deferred else total(result)

    mean = _mean(part, drawn, count)
    return total(mean) if reduction.deferred else mean

  split = jax.tree.map(
    lambda x: P(None, BATCH_AXES) if x.ndim > 1 else P(), drawn
  )
  return jax.shard_map(
    local, in_specs=(P(), P(), split), out_specs=P(), axis_names=manual,
    check_vma=False,  # or each use of a parameter would reduce its gradient
  )(params, shared, drawn)  # fmt: skip


def _device_mean(tree: Any, dtype: str = "float32") -> Any:
  """Mean over the devices that split the batch, sent as dtype; float32."""
  ways = jax.lax.axis_size(BATCH_AXES)
  sums = jax.lax.psum(jax.tree.map(lambda x: x.astype(dtype), tree), BATCH_AXES)
  return jax.tree.map(lambda x: x.astype(jnp.float32) / ways, sums)
