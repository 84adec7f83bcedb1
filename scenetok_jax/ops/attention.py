"""The one attention entry: choice of kernel and sharding live here."""

import jax
import jax.numpy as jnp

from scenetok_jax.ops import sequence
from scenetok_jax.ops.cpu import (
  heads_first_attention,
  on_cpu,
  plain_heads_first,
)
from scenetok_jax.ops.softmax import masked_softmax
from scenetok_jax.ops.splash import splash_attention, tile_rows
from scenetok_jax.types import Array, check_known

# Fused: of an NVIDIA GPU (ops/compute.py says which and what), of a TPU.
FUSED = ("cudnn", "splash")
ATTENTION = ("xla", *FUSED)
# As xla, without gradients of its own: what jax.jvp can go through. Networks
# take it for such a pass alone, configurations never.
PLAIN = "plain"
# JAX's name of a call of cuDNN's.
CUDNN_FORWARD = "dot_product_attention_fwd_wrapper"


def check_attention(attention: str) -> None:
  """InputError unless it is of ATTENTION, or splash with rows of its tiles."""
  if str(attention).startswith("splash"):
    tile_rows(attention)
  else:
    check_known(attention, ATTENTION, "config.attention")


def attend(
  query: Array,
  key: Array,
  value: Array,
  *,
  causal: bool = False,
  attention: str = "xla",
) -> Array:
  """query [B Lq heads d], key and value [B Lk heads d] -> [B Lq heads d].

  Softmax of query . key / sqrt(d), in float32 whatever the compute dtype.

  causal: masks keys after the query's own index in the flat sequence.
  attention: one that check_attention passes, or PLAIN.
  """
  query, key, value = (sequence.enter(x) for x in (query, key, value))
  query, key = (x.astype(value.dtype) for x in (query, key))
  return sequence.leave(_kernel(query, key, value, causal, attention))


def _kernel(
  query: Array, key: Array, value: Array, causal: bool, attention: str
) -> Array:
  """attend, for arrays of one type that lie where they should."""
  if attention == "cudnn":
    return jax.nn.dot_product_attention(
      query, key, value, is_causal=causal, implementation="cudnn"
    )
  scale = jnp.asarray(query.shape[-1] ** -0.5, query.dtype)
  if attention.startswith("splash"):
    rows = tile_rows(attention)
    return splash_attention(query * scale, key, value, causal, rows)
  average = plain_average if attention == PLAIN else softmax_average
  return average(query * scale, key, value, causal)


def _average(query: Array, key: Array, value: Array, causal: bool) -> Array:
  """Scaled query [B Lq h d], key and value [B Lk h d] -> [B Lq h d]."""
  logits = jnp.einsum(
    "bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32
  )
  weights = masked_softmax(logits, causal).astype(value.dtype)
  return jnp.einsum("bhqk,bkhd->bqhd", weights, value)


softmax_average = on_cpu(heads_first_attention)(_average)
plain_average = on_cpu(plain_heads_first)(_average)
