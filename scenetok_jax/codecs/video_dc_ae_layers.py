"""Blocks of the Video DC-AE: convolutional, linear-attention, resampling."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.layers import conv
from scenetok_jax.codecs.layers_3d import (
  ChannelNorm,
  DepthwiseConv,
  GroupedDense,
  average_channels,
  nearest_3d,
  repeat_channels,
  shuffle,
  unshuffle,
)
from scenetok_jax.types import Array

_EXPANSION = 4  # of the gated MLP, per half


class ResBlock(nn.Module):
  """x [B T H W C] -> x + norm(conv(silu(conv(x))))."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width, settings = x.shape[-1], {"rank": 3, "dtype": self.dtype}
    h = jax.nn.silu(conv(width, name="up", **settings)(x))
    h = conv(width, name="down", use_bias=False, **settings)(h)
    return x + ChannelNorm(name="norm")(h)


class LinearAttention(nn.Module):
  """ReLU linear attention over all voxels, at two scales: [B T H W C] -> same.

  The second scale aggregates query, key and value over 5 x 5 x 5 voxels.
  """

  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    qkv = nn.Dense(3 * width, use_bias=False, dtype=self.dtype, name="qkv")(x)
    local = DepthwiseConv(5, use_bias=False, dtype=self.dtype, name="local")(
      qkv
    )
    local = GroupedDense(self.head_dim, dtype=self.dtype, name="mix")(local)
    out = relu_attention(jnp.concatenate([qkv, local], -1), self.head_dim)
    out = nn.Dense(width, use_bias=False, dtype=self.dtype, name="out")(
      out.astype(self.dtype)
    )
    return ChannelNorm(name="norm")(out)


def relu_attention(qkv: Array, head_dim: int) -> Array:
  """[B T H W (heads 3 d)] -> [B T H W (heads d)], in float32.

  Every head owns consecutive query, key and value channels.
  """
  heads = rearrange(
    qkv.astype(jnp.float32),
    "b t h w (n k d) -> k b n (t h w) d",
    k=3,
    d=head_dim,
  )
  query, key, value = jax.nn.relu(heads[0]), jax.nn.relu(heads[1]), heads[2]
  memory = jnp.einsum("bnld,bnle->bnde", key, value)
  total = jnp.sum(key, axis=2)  # [B heads d]
  top = jnp.einsum("bnld,bnde->bnle", query, memory)
  bottom = jnp.einsum("bnld,bnd->bnl", query, total)[..., None]
  out = top / (bottom + 1e-15)
  t, h = qkv.shape[1:3]
  return rearrange(out, "b n (t h w) d -> b t h w (n d)", t=t, h=h)


class GatedMlp(nn.Module):
  """1x1x1, depthwise 3x3x3, gate, 1x1x1, norm: [B T H W C] -> same."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    h = nn.Dense(2 * _EXPANSION * width, dtype=self.dtype, name="up")(x)
    h = DepthwiseConv(3, dtype=self.dtype, name="local")(jax.nn.silu(h))
    value, gate = jnp.split(h, 2, axis=-1)
    h = value * jax.nn.silu(gate)
    h = nn.Dense(width, use_bias=False, dtype=self.dtype, name="down")(h)
    return ChannelNorm(name="norm")(h)


class AttentionBlock(nn.Module):
  """Linear attention, then the gated MLP, each with a residual."""

  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """x [B T H W C] -> same."""
    attention = LinearAttention(self.head_dim, self.dtype, name="attention")
    x = x + attention(x)
    return x + GatedMlp(self.dtype, name="mlp")(x)


class Downsample(nn.Module):
  """Strided convolution plus averages: [B T H W C] -> [B T' H/2 W/2 D].

  T' is T/2 if temporal, T otherwise; a single frame stays one.
  """

  features: int
  temporal: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    stride = (2 if self.temporal else 1, 2, 2)
    main = conv(
      self.features,
      name="conv",
      rank=3,
      stride=stride,
      padding=1,
      dtype=self.dtype,
    )(x)
    time = 2 if self.temporal and x.shape[1] != 1 else 1
    return main + average_channels(unshuffle(x, time, 2), self.features)


class Upsample(nn.Module):
  """Nearest, convolution, plus copies: [B T H W C] -> [B T' 2H 2W D].

  T' is 2T if temporal, T otherwise; a single frame stays one.
  """

  features: int
  temporal: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    time = 2 if self.temporal and x.shape[1] != 1 else 1
    main = conv(self.features, name="conv", rank=3, dtype=self.dtype)(
      nearest_3d(x, time, 2)
    )
    copies = repeat_channels(x, self.features * time * 4)
    return main + shuffle(copies, time, 2)
