"""Multi-head self- and cross-attention with q/k norms and rotations."""

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.nn.block_spec import BlockSpec
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

  block: BlockSpec
  causal: bool = False

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
    query = _projection(self.block, x.shape[-1], "query", fused)(x)
    if self.block.qk_norm:
      query = _head_norm(self.block, "query_norm")(query)
    if isinstance(context, KVCache):
      key, value = context.key, context.value
    else:
      source = x if context is None else constrain_tokens(context)
      value = _projection(self.block, x.shape[-1], "value", fused)(source)
      key = _keys(self.block, source, fused)
      if key_angles is not None:
        key = rotate(key, key_angles)
    if query_angles is not None:
      query = rotate(query, query_angles)
    out = attend(
      query, key, value, causal=self.causal, attention=self.block.attention
    )
    out = _merge(self.block, out)
    if null is None:
      return out
    return rearrange(
      [out, jnp.broadcast_to(null, out.shape)], "pair b l d -> (b pair) l d"
    )


class KeyValue(nn.Module):
  """The half of a cross-attention that its context alone decides.

  Shares the names of its parameters with Attention.
  """

  block: BlockSpec

  @nn.compact
  def __call__(self, context: Array, null: Array | None = None) -> KVCache:
    """context [B M D], null [1 1 D] or None -> KVCache; no rotation."""
    context = constrain_tokens(context)
    project = _projection(self.block, context.shape[-1], "value", 1)
    key, value = _keys(self.block, context, 1), project(context)
    if null is None:
      return KVCache(key, value)
    # Softmax over one key is 1, whatever the query: the value goes through.
    return KVCache(
      key, value, _merge(self.block, project(constrain_tokens(null)))[0]
    )


def _projection(
  block: BlockSpec, width: int, name: str, fused: int
) -> nn.DenseGeneral:
  """[B M D] -> [B M heads d]."""
  return dense(
    (block.heads, width // block.heads),
    width,
    name=name,
    scheme=block.scheme,
    dtype=block.dtype,
    fan_out=fused * width,
  )


def _head_norm(block: BlockSpec, name: str) -> Norm:
  epsilon = block.rms_epsilon if block.norm == "rms" else 1e-5
  return Norm(kind=block.norm, epsilon=epsilon, affine=True, name=name)


def _keys(block: BlockSpec, source: Array, fused: int) -> Array:
  """source [B M D] -> normalised keys [B M heads d]."""
  key = _projection(block, source.shape[-1], "key", fused)(source)
  return _head_norm(block, "key_norm")(key) if block.qk_norm else key


def _merge(block: BlockSpec, out: Array) -> Array:
  """[B L heads d] -> [B L D]."""
  width = out.shape[-2] * out.shape[-1]
  out = dense(
    width,
    width,
    name="out",
    scheme=block.scheme,
    dtype=block.dtype,
    axis=(-2, -1),
  )(out)
  return constrain_tokens(out)
