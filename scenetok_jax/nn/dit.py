"""The adaLN block and last layer of both rectified-flow networks."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import repeat

from scenetok_jax.nn.attention import Attention, KeyValue, KVCache
from scenetok_jax.nn.blocks import (
  Mlp,
  Modulation,
  Norm,
  dense,
  modulate,
  stack,
)
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array


def split_modulation(chunks: list[Array]) -> list[Array | None]:
  """Six entries in the reference's order; the shifts are None if absent."""
  if len(chunks) == 6:
    return list(chunks)
  return [None, chunks[0], chunks[1], None, chunks[2], chunks[3]]


class DiTBlock(nn.Module):
  """Self-attention, cross-attention to the condition, MLP.

  The cross-attention has no pre-norm, gate or modulation, and rotates only
  its queries: the tokens it reads are unordered (docs/architecture.md).
  """

  heads: int
  mlp_ratio: float = 4.0
  qk_norm: bool = True
  swiglu: bool = True
  norm: str = "rms"
  epsilon: float = 1e-6
  shift: bool = True
  causal: bool = False
  dtype: Any = jnp.float32
  kernel: str = "xla"

  @nn.compact
  def __call__(
    self, x: Array, c: Array, condition: Array | KVCache, angles: Array | None
  ) -> tuple[Array, None]:
    """x [B L D], c [B L D], condition [B N D], angles [L d/2] -> x.

    condition may be a KVCache of it. x may hold several passes for each c,
    [(B passes) L D]: their modulation is computed once.
    """
    attend: dict[str, Any] = {
      "heads": self.heads,
      "qk_norm": self.qk_norm,
      "norm": self.norm,
      "epsilon": self.epsilon,
      "scheme": "xavier",
      "dtype": self.dtype,
      "kernel": self.kernel,
    }
    norm: dict[str, Any] = {"kind": self.norm, "epsilon": self.epsilon}
    chunks = Modulation(6 if self.shift else 4, dtype=self.dtype, name="adaln")
    passes = x.shape[0] // c.shape[0]
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = split_modulation(
      [repeat_for_passes(chunk, passes) for chunk in chunks(c)]
    )
    y = modulate(Norm(**norm, name="self_norm")(x), shift_a, scale_a)
    y = Attention(**attend, causal=self.causal, name="self_attention")(
      y, query_angles=angles, key_angles=angles
    )
    x = x + gate_a * y
    x = x + Attention(**attend, name="cross_attention")(
      x, condition, query_angles=angles
    )
    y = modulate(Norm(**norm, name="mlp_norm")(x), shift_m, scale_m)
    y = Mlp(
      self.mlp_ratio, self.swiglu, scheme="xavier", dtype=self.dtype, name="mlp"
    )(y)
    x = constrain(x + gate_m * y, "batch", "length", None)
    return x, None


def repeat_for_passes(c: Array, passes: int) -> Array:
  """c [B L D] -> [(B passes) L D], every scene repeated in place."""
  return c if passes == 1 else repeat(c, "b l d -> (b n) l d", n=passes)


class BlockKVCache(nn.Module):
  """The cache of a DiTBlock's cross-attention; its parameters' names too."""

  heads: int
  qk_norm: bool = True
  norm: str = "rms"
  epsilon: float = 1e-6
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, carry: None, condition: Array, null: Array | None
  ) -> tuple[None, KVCache]:
    """condition [B N D], null [1 1 D] or None -> KVCache, for nn.scan."""
    cache = KeyValue(
      heads=self.heads,
      qk_norm=self.qk_norm,
      norm=self.norm,
      epsilon=self.epsilon,
      scheme="xavier",
      dtype=self.dtype,
      name="cross_attention",
    )(condition, null)
    return carry, cache


def depth_axes(condition: Array | KVCache) -> Any:
  """in_axes of a stack of DiTBlocks: a cache has one entry per block."""
  axis = 0 if isinstance(condition, KVCache) else nn.broadcast
  return (nn.broadcast, axis, nn.broadcast)


def block_kv_caches(
  parent: nn.Module, net: Any, condition: Array, null: Array | None
) -> KVCache:
  """KVCache of all `net.depth` DiTBlocks named "blocks", depth first.

  parent: the module that calls and holds the parameters of `net`.
  """
  _, cache = stack(
    parent,
    BlockKVCache,
    net.depth,
    "none",
    "blocks",
    heads=net.heads,
    qk_norm=net.qk_norm,
    norm=net.norm,
    dtype=net.dtype,
  )(None, condition, null)
  return cache


class FinalLayer(nn.Module):
  """x [B L D], c [B L D] -> [B L features]: norm, modulation, linear.

  x may hold several passes for each c, as in DiTBlock.
  """

  features: int
  norm: str = "rms"
  epsilon: float = 1e-6
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, c: Array) -> Array:
    passes = x.shape[0] // c.shape[0]
    shift, scale = (
      repeat_for_passes(chunk, passes)
      for chunk in Modulation(2, dtype=self.dtype, name="adaln")(c)
    )
    x = Norm(self.norm, self.epsilon, name="norm")(x)
    return dense(
      self.features, x.shape[-1], name="head", scheme="zero", dtype=self.dtype
    )(modulate(x, shift, scale))
