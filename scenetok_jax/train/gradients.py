"""Gradient norms as the reference counts them, clipping, accumulation."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.parallel.rules import path_name
from scenetok_jax.types import Array

_PROJECTION = re.compile(
  r"^(?P<module>.*)/(query|key|value)/(?P<kind>kernel|bias)$"
)

_STACKED = re.compile(r"(^|/)blocks/")


def reference_group(path: str) -> tuple[str, bool]:
  """The reference tensor of a parameter; whether its first axis is depth.

  Layers below a module named `blocks` are stacked along the leading axis.
  Query, key and value of self-attention are one fused tensor; in modules whose
  name contains `cross` they are three (docs/architecture.md).
  """
  stacked = _STACKED.search(path) is not None
  match = _PROJECTION.match(path)
  if match and "cross" not in match["module"].rsplit("/", 1)[-1]:
    return f"{match['module']}/fused/{match['kind']}", stacked
  return path, stacked


def tensor_norms(gradients: Any) -> dict[str, Array]:
  """L2 norm of each reference tensor in a tree of arrays.

  Returns:
    {name: float32 [1], or [depth] when the tensor is stacked}.
  """
  squares: dict[str, Array] = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
    name, stacked = reference_group(path_name(path))
    axes = tuple(range(1 if stacked else 0, leaf.ndim))
    square = jnp.sum(jnp.square(leaf.astype(jnp.float32)), axis=axes)
    squares[name] = squares.get(name, 0.0) + jnp.atleast_1d(square)
  return {name: jnp.sqrt(square) for name, square in squares.items()}


def all_finite(gradients: Any) -> Array:
  """True when no element is NaN or infinite; bool []."""
  # x - x is NaN just where x is not finite: a fifth of the time of isfinite.
  leaves = [jnp.sum(g - g) for g in jax.tree.leaves(gradients)]
  return jnp.isfinite(jnp.stack(leaves)).all()


def global_norm(norms: dict[str, Array]) -> Array:
  """L2 norm over all tensors, from tensor_norms; float32 []."""
  return jnp.linalg.norm(jnp.concatenate(list(norms.values())))


def clip(gradients: Any, norm: Array, limit: float) -> Any:
  """Scales gradients of global norm `norm` to at most `limit`.

  The 1e-6 is torch.nn.utils.clip_grad_norm_'s; optax has none.
  """
  scale = jnp.minimum(1.0, limit / (norm + 1e-6))
  return jax.tree.map(lambda g: g * scale, gradients)


def accumulate(
  value_and_grad: Callable[[Any, Any, Array], tuple[Any, Any]],
  params: Any,
  batch: Any,
  key: Array,
  count: int,
) -> tuple[Any, Any]:
  """Means of values and gradients over `count` micro-batches, as a scan.

  Args:
    value_and_grad: (params, batch, key) -> (tree of floats, gradients), both
      already means over the batch it is given.
    params: parameters.
    batch: tree of arrays [B ...]; B must be divisible by count. Micro-batches
      are strided, so that a batch axis split over devices stays so.
    key: random key, split between the micro-batches when count > 1.
    count: number of micro-batches.

  Returns:
    (values, gradients), float32.
  """
  if count == 1:
    return value_and_grad(params, batch, key)
  parts = jax.tree.map(
    lambda x: rearrange(x, "(b m) ... -> m b ...", m=count), batch
  )
  keys = jax.random.split(key, count)

  def body(total: Any, part: Any) -> tuple[Any, None]:
    result = value_and_grad(params, *part)
    return jax.tree.map(lambda t, r: t + r / count, total, result), None

  first = jax.tree.map(lambda x: x[0], (parts, keys))
  shapes = jax.eval_shape(lambda part: value_and_grad(params, *part), first)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.float32), shapes)
  total, _ = jax.lax.scan(body, zeros, (parts, keys))
  return total
