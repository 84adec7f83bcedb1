"""The adaLN block and last layer of both rectified-flow networks."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import repeat

from scenetok_jax.nn.attention import Attention, KeyValue, KVCache
from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import (
  Mlp,
  Modulation,
  Norm,
  adaln,
  dense,
  modulate,
  stack,
)
from scenetok_jax.ops.prope import Positions
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array


class DiTBlock(nn.Module):
  """Self-attention, cross-attention to the condition, MLP.

  The cross-attention has no pre-norm, gate or modulation, and places only
  its queries: the tokens it reads are unordered and have no camera
  (docs/architecture/networks.md).
  """

  block: BlockSpec
  causal: bool = False

  @nn.compact
  def __call__(
    self, x: Array, c: Array, condition: Array | KVCache, positions: Positions
  ) -> tuple[Array, None]:
    """x [B L D], c [B L D], condition [B N D], positions of L tokens -> x.

    condition may be a KVCache of it. x may hold several passes for each c,
    [(B passes) L D]: their modulation is computed once.
    """
    block, passes = self.block, x.shape[0] // c.shape[0]
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = repeat_scenes(
      adaln(c, block, "zero"), passes
    )
    y = _norm(block, "self_norm")(x)
    y = Attention(block, self.causal, name="self_attention")(
      modulate(y, shift_a, scale_a),
      query_positions=positions,
      key_positions=positions,
    )
    x = x + gate_a * y
    x = x + Attention(block, name="cross_attention")(
      x, condition, query_positions=positions
    )
    y = _norm(block, "mlp_norm")(x)
    y = Mlp(block, name="mlp")(modulate(y, shift_m, scale_m))
    return constrain(x + gate_m * y, "batch", "length", None), None


def repeat_scenes(tree: Any, passes: int) -> Any:
  """Arrays [B ...] -> [(B passes) ...], every scene repeated in place."""
  if passes == 1:
    return tree
  return jax.tree.map(
    lambda a: repeat(jnp.asarray(a), "b ... -> (b n) ...", n=passes), tree
  )


def _norm(block: BlockSpec, name: str) -> Norm:
  return Norm(block.norm, block.epsilon, plain=block.plain, name=name)


class BlockKVCache(nn.Module):
  """The cache of a DiTBlock's cross-attention; its parameters' names too."""

  block: BlockSpec
  query_cameras: bool = False

  @nn.compact
  def __call__(
    self, carry: None, condition: Array, null: Array | None
  ) -> tuple[None, KVCache]:
    """condition [B N D], null [1 1 D] or None -> KVCache, for nn.scan."""
    layer = KeyValue(self.block, self.query_cameras, name="cross_attention")
    return carry, layer(condition, null)


def dit_blocks(
  net: Any,
  x: Array,
  c: Array,
  condition: Array | KVCache,
  positions: Positions = None,
  **fields: Any,
) -> Array:
  """x through the `net.depth` DiTBlocks of the module that calls.

  Arguments as a DiTBlock's; a cache has one entry per block.
  """
  axis = 0 if isinstance(condition, KVCache) else nn.broadcast
  axes = (nn.broadcast, axis, nn.broadcast)
  block = net.block
  layers = stack(DiTBlock, net.depth, block.remat, axes, block=block, **fields)
  x = constrain(x, "batch", "length", None)
  return layers(x, c, condition, positions)[0]


def block_kv_caches(
  net: Any, condition: Array, null: Array | None, **fields: Any
) -> KVCache:
  """KVCache of all `net.depth` DiTBlocks, depth first.

  The module that calls holds the parameters of `net`. fields: BlockKVCache's.
  """
  layers = stack(BlockKVCache, net.depth, "none", block=net.block, **fields)
  return layers(None, condition, null)[1]


class FinalLayer(nn.Module):
  """x [B L D], c [B L D] -> [B L features]: norm, modulation, linear.

  x may hold several passes for each c, as in DiTBlock.
  """

  features: int
  block: BlockSpec

  @nn.compact
  def __call__(self, x: Array, c: Array) -> Array:
    block, passes = self.block, x.shape[0] // c.shape[0]
    chunks = Modulation(2, dtype=block.dtype, name="adaln")(c)
    x = _norm(block, "norm")(x)
    x = modulate(x, *repeat_scenes(chunks, passes))
    return dense(self.features, x.shape[-1], "head", "zero", block.dtype)(x)
