"""Multi-head self- and cross-attention with q/k norms and rotations."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.nn.blocks import Norm, constrain_tokens, dense
from scenetok_jax.ops.attention import attend
from scenetok_jax.ops.rope import rotate
from scenetok_jax.types import Array


@flax.struct.dataclass
class KVCache:
  """What cross-attentions know of their context, computed once and reused.

  key, value: [B N heads d], normalised keys. null: None, or [1 D]: what the
  layer adds where the context is the null token alone; queries then come in
  pairs [(B 2) L D] of which the second sees the null token.
  A stack of layers has a leading depth axis everywhere.
  """

  key: Array
  value: Array
  null: Array | None = None


class Attention(nn.Module):
  """Self-attention, or cross-attention when given a context or its cache.

  Queries and keys are normalised per head (if asked), then rotated.
  """

  heads: int
  qk_norm: bool = False
  norm: str = "rms"
  epsilon: float = 1e-6
  causal: bool = False
  scheme: str = "torch"
  dtype: Any = jnp.float32
  kernel: str = "xla"

  @nn.compact
  def __call__(
    self,
    x: Array,
    context: Array | KVCache | None = None,
    *,
    query_angles: Array | None = None,
    key_angles: Array | None = None,
  ) -> Array:
    """x [B L D], context [B M D] or None -> [B L D]; angles [L or M, d/2].

    A cache stands for its context, key rotation included.
    """
    # The reference fuses q, k, v of self-attention in one [3D, D] matrix.
    fused = 3 if context is None else 1
    null = context.null if isinstance(context, KVCache) else None
    if null is not None:
      x = rearrange(x, "(b pair) l d -> pair b l d", pair=2)[0]
    x = constrain_tokens(x)
    query = _projection(self, x.shape[-1], "query", fused)(x)
    if self.qk_norm:
      query = _head_norm(self, "query_norm")(query)
    if isinstance(context, KVCache):
      key, value = context.key, context.value
    else:
      source = x if context is None else constrain_tokens(context)
      value = _projection(self, x.shape[-1], "value", fused)(source)
      key = _keys(self, source, fused)
      if key_angles is not None:
        key = rotate(key, key_angles)
    if query_angles is not None:
      query = rotate(query, query_angles)
    out = attend(query, key, value, causal=self.causal, attention=self.kernel)
    out = _merge(self, out)
    if null is None:
      return out
    return rearrange(
      [out, jnp.broadcast_to(null, out.shape)], "pair b l d -> (b pair) l d"
    )


class KeyValue(nn.Module):
  """The half of a cross-attention that its context alone decides.

  Shares its fields and the names of its parameters with Attention.
  """

  heads: int
  qk_norm: bool = False
  norm: str = "rms"
  epsilon: float = 1e-6
  scheme: str = "torch"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, context: Array, null: Array | None = None) -> KVCache:
    """context [B M D], null [1 1 D] or None -> KVCache; no rotation."""
    context = constrain_tokens(context)
    project = _projection(self, context.shape[-1], "value", 1)
    key, value = _keys(self, context, 1), project(context)
    if null is None:
      return KVCache(key, value)
    # Softmax over one key is 1, whatever the query: the value goes through.
    return KVCache(key, value, _merge(self, project(constrain_tokens(null)))[0])


def _projection(
  layer: Any, width: int, name: str, fused: int
) -> nn.DenseGeneral:
  """[B M D] -> [B M heads d]."""
  return dense(
    (layer.heads, width // layer.heads),
    width,
    name=name,
    scheme=layer.scheme,
    dtype=layer.dtype,
    fan_out=fused * width,
  )


def _head_norm(layer: Any, name: str) -> Norm:
  epsilon = layer.epsilon if layer.norm == "rms" else 1e-5
  return Norm(kind=layer.norm, epsilon=epsilon, affine=True, name=name)


def _keys(layer: Any, source: Array, fused: int) -> Array:
  """source [B M D] -> normalised keys [B M heads d]."""
  key = _projection(layer, source.shape[-1], "key", fused)(source)
  return _head_norm(layer, "key_norm")(key) if layer.qk_norm else key


def _merge(layer: Any, out: Array) -> Array:
  """[B L heads d] -> [B L D]."""
  width = out.shape[-2] * out.shape[-1]
  out = dense(
    width,
    width,
    name="out",
    scheme=layer.scheme,
    dtype=layer.dtype,
    axis=(-2, -1),
  )(out)
  return constrain_tokens(out)
