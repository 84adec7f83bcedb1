"""Gradient norms as the reference counts them; means over micro-batches."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.parallel.rules import path_name
from scenetok_jax.types import Array

_PROJECTION = re.compile(r"^(.*)/(query|key|value)/(kernel|bias)$")
_STACKED = re.compile(r"(^|/)blocks/")


def reference_group(path: str) -> tuple[str, bool]:
  """The reference tensor of a parameter; whether its first axis is depth.

  Layers below a module named `blocks` are stacked along the leading axis.
  Query, key and value of self-attention are one fused tensor; in modules whose
  name contains `cross` they are three (docs/architecture.md).
  """
  stacked = _STACKED.search(path) is not None
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
  parts = jax.tree.map(
    lambda x: rearrange(x, "(b m) ... -> m b ...", m=count), batch
  )
  parts = parts, jax.random.split(key, count)

  def body(total: Any, part: Any) -> tuple[Any, None]:
    result = function(params, *part)
    return jax.tree.map(lambda t, r: t + r / count, total, result), None

  first = jax.tree.map(lambda x: x[0], parts)
  shapes = jax.eval_shape(lambda part: function(params, *part), first)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.float32), shapes)
  return jax.lax.scan(body, zeros, parts)[0]
