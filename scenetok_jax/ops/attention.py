"""The one attention entry: kernel choice and sharding live here."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.parallel.rules import constrain
from scenetok_jax.parallel.runtime import traced_for_cpu
from scenetok_jax.types import Array

IMPLEMENTATIONS = ("xla", "cudnn")
# Bytes of one example's logits from which on two leave a CPU's cache.
_CACHED = 1 << 23


def attention(
  query: Array,
  key: Array,
  value: Array,
  *,
  causal: bool = False,
  implementation: str = "xla",
) -> Array:
  """query [B Lq heads d], key and value [B Lk heads d] -> [B Lq heads d].

  Softmax of query . key / sqrt(d), in float32 whatever the compute dtype.

  Args:
    query: rotated and normalised queries.
    key: rotated and normalised keys.
    value: values.
    causal: masks keys after the query's own index in the flat sequence.
    implementation: "xla", or "cudnn" (flash attention; needs bfloat16 inputs
      on an NVIDIA GPU).

  Returns:
    [B Lq heads d] in the dtype of the query.
  """
  query = constrain(query, "batch", None, "heads", None)
  key = constrain(key, "batch", None, "heads", None)
  value = constrain(value, "batch", None, "heads", None)
  query, key = (x.astype(value.dtype) for x in (query, key))
  if implementation == "cudnn":
    return jax.nn.dot_product_attention(
      query, key, value, is_causal=causal, implementation="cudnn"
    )
  if _one_by_one(query, key):
    return jax.lax.map(
      lambda x: _xla(x[0][None], x[1][None], x[2][None], causal)[0],
      (query, key, value),
    )
  return _xla(query, key, value, causal)


def _one_by_one(query: Array, key: Array) -> bool:
  """Whether a lone CPU is faster with one example after the other."""
  if jax.sharding.get_abstract_mesh().size > 1 or len(query) == 1:
    return False
  size = 4 * query.shape[1] * query.shape[2] * key.shape[1]
  return traced_for_cpu() and size >= _CACHED


def _xla(query: Array, key: Array, value: Array, causal: bool) -> Array:
  """attention, written out for the compiler."""
  scale = query.shape[-1] ** -0.5
  # Heads first: products over strided heads take twice the time on a CPU.
  query, key, value = (
    rearrange(x, "b l h d -> b h l d")
    for x in (query * jnp.asarray(scale, query.dtype), key, value)
  )
  # Its weights are rounded to the compute dtype before they are differentiated.
  exact = value.dtype == jnp.float32
  weighted = _weighted_on_cpu if exact and traced_for_cpu() else _weighted
  return rearrange(weighted(query, key, value, causal), "b h l d -> b l h d")


def _weighted(query: Array, key: Array, value: Array, causal: bool) -> Array:
  """Scaled query [B h Lq d], key and value [B h Lk d] -> [B h Lq d]."""
  return _average(_weights(query, key, causal, value.dtype), value)


def _weights(query: Array, key: Array, causal: bool, dtype: Any) -> Array:
  """Softmax over keys [B h Lq Lk]."""
  logits = jnp.einsum(
    "bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32
  )
  if causal:
    visible = jnp.tril(jnp.ones(logits.shape[-2:], bool))
    logits = jnp.where(visible, logits, jnp.finfo(logits.dtype).min)
  return jax.nn.softmax(logits, axis=-1).astype(dtype)


def _average(weights: Array, value: Array) -> Array:
  return jnp.einsum("bhqk,bhkd->bhqd", weights, value)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _weighted_on_cpu(
  query: Array, key: Array, value: Array, causal: bool
) -> Array:
  """_weighted in float32, with a gradient that sums no rows of the weights.

  The sum over keys of weights times their cotangents is the product of output
  and its cotangent (Dao et al. 2022, FlashAttention, appendix B.2); XLA's CPU
  kernels for a product with such a sum run at a tenth of a product's speed.
  """
  return _weighted(query, key, value, causal)


def _forward(
  query: Array, key: Array, value: Array, causal: bool
) -> tuple[Array, tuple[Array, ...]]:
  weights = _weights(query, key, causal, value.dtype)
  out = _average(weights, value)
  return out, (query, key, value, weights, out)


def _backward(
  causal: bool, saved: tuple[Array, ...], cotangent: Array
) -> tuple[Array, Array, Array]:
  query, key, value, weights, out = saved
  slopes = jnp.einsum("bhqd,bhkd->bhqk", cotangent, value)
  slopes = slopes - jnp.sum(cotangent * out, axis=-1, keepdims=True)
  # Masked weights are zero, and so is what they pass on.
  logits = weights * slopes
  return (
    jnp.einsum("bhqk,bhkd->bhqd", logits, key),
    jnp.einsum("bhqk,bhqd->bhkd", logits, query),
    jnp.einsum("bhqk,bhqd->bhkd", weights, cotangent),
  )


_weighted_on_cpu.defvjp(_forward, _backward)
