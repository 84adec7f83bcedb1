"""Multi-head self- and cross-attention with q/k norms and rotations."""

import math

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import Norm, constrain_tokens, dense
from scenetok_jax.ops.attention import attend
from scenetok_jax.ops.prope import Positions, place
from scenetok_jax.types import Array


@flax.struct.dataclass
class KVCache:
  """What cross-attentions know of their context, computed once and reused.

  key, value: [B N heads d], normalised keys. null: None, or [1 D]: what the
  layer adds where the context is the null token alone; queries then come in
  pairs [(B 2) L D] of which the second sees the null token. Where queries have
  cameras (ops.prope) it depends on them: null is its value, [1 heads d].
  A stack of layers has a leading depth axis everywhere.
  """

  key: Array
  value: Array
  null: Array | None = None


class Attention(nn.Module):
  """Self-attention, or cross-attention when given a context or its cache.

  Queries and keys are normalised per head (if asked), then placed.
  """

  block: BlockSpec
  causal: bool = False

  @nn.compact
  def __call__(
    self,
    x: Array,
    context: Array | KVCache | None = None,
    *,
    query_positions: Positions = None,
    key_positions: Positions = None,
  ) -> Array:
    """x [B L D], context [B M D] or None -> [B L D].

    Positions: of L queries or M keys, see ops.prope.place. A cache stands for
    its context, whose positions are in it.
    """
    # The reference fuses q, k, v of self-attention in one [3D, D] matrix.
    fused = 3 if context is None else 1
    null = context.null if isinstance(context, KVCache) else None
    if null is not None:
      x = rearrange(x, "(b pair) l d -> pair b l d", pair=2)[0]
    x = constrain_tokens(x)
    query = _normed_heads(self.block, x, "query", fused)
    if isinstance(context, KVCache):
      key, value = context.key, context.value
    else:
      source = x if context is None else constrain_tokens(context)
      value = _heads(self.block, source, "value", fused)(source)
      key = _normed_heads(self.block, source, "key", fused)
      value = place(value, key_positions, "value")
      key = place(key, key_positions, "key")
    query = place(query, query_positions, "query")
    out = attend(
      query, key, value, causal=self.causal, attention=self.block.attention
    )
    if null is not None and null.ndim == 3:
      out, null = _pairs(out, null), None
    out = _merge(self.block, place(out, query_positions, "output"))
    return out if null is None else _pairs(out, null)


class KeyValue(nn.Module):
  """The half of a cross-attention that its context alone decides.

  Shares the names of its parameters with Attention.

  query_cameras: whether queries have cameras, see KVCache.
  """

  block: BlockSpec
  query_cameras: bool = False

  @nn.compact
  def __call__(self, context: Array, null: Array | None = None) -> KVCache:
    """context [B M D], null [1 1 D] or None -> KVCache; no rotation."""
    context = constrain_tokens(context)
    project = _heads(self.block, context, "value", 1)
    key, value = _normed_heads(self.block, context, "key", 1), project(context)
    if null is None:
      return KVCache(key, value)
    # Softmax over one key is 1, whatever the query: the value goes through.
    null = project(constrain_tokens(null))
    if not self.query_cameras:
      null = _merge(self.block, null)
    return KVCache(key, value, null[0])


def _heads(
  block: BlockSpec, x: Array, name: str, fused: int
) -> nn.DenseGeneral:
  """The projection of x [B M D], and of others like it, to [B M heads d]."""
  width = x.shape[-1]
  return dense(
    (block.heads, width // block.heads),
    width,
    name,
    block.scheme,
    block.dtype,
    fan_out=fused * width,
  )


def _normed_heads(block: BlockSpec, x: Array, name: str, fused: int) -> Array:
  """Queries or keys [B M heads d] of x [B M D]."""
  x = _heads(block, x, name, fused)(x)
  if not block.qk_norm:
    return x
  epsilon = block.rms_epsilon if block.norm == "rms" else 1e-5
  norm = Norm(block.norm, epsilon, True, block.plain, name=f"{name}_norm")
  return norm(x)


def _pairs(out: Array, null: Array) -> Array:
  """out [B L ...], null [1 ...] -> [(B 2) L ...]."""
  null = jnp.broadcast_to(null, out.shape)
  return rearrange([out, null], "pair b ... -> (b pair) ...")


def _merge(block: BlockSpec, out: Array) -> Array:
  """[B L heads d] -> [B L D]."""
  width = math.prod(out.shape[-2:])
  layer = dense(width, width, "out", block.scheme, block.dtype, axis=(-2, -1))
  return constrain_tokens(layer(out))
