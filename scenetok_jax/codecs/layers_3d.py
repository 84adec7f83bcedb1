"""Layers of the video autoencoders: [B T H W C], channels last."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange, reduce, repeat

from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array


def unshuffle(x: Array, time: int, space: int) -> Array:
  """[B T H W C] -> [B T/time H/space W/space C*time*space*space].

  The new channel index is (c, time, row, column), c slowest.
  """
  return rearrange(
    x, "b (t p) (h q) (w r) c -> b t h w (c p q r)", p=time, q=space, r=space
  )


def shuffle(x: Array, time: int, space: int) -> Array:
  """The inverse of `unshuffle`."""
  return rearrange(
    x, "b t h w (c p q r) -> b (t p) (h q) (w r) c", p=time, q=space, r=space
  )


def average_channels(x: Array, features: int) -> Array:
  """[... C] -> [... features]: means of consecutive channels."""
  return reduce(x, "... (d g) -> ... d", "mean", d=features)


def repeat_channels(x: Array, features: int) -> Array:
  """[... C] -> [... features]: every channel repeated in place."""
  return repeat(x, "... c -> ... (c n)", n=features // x.shape[-1])


def nearest_3d(x: Array, time: int, space: int) -> Array:
  """[B T H W C] -> [B T*time H*space W*space C], voxels repeated."""
  return repeat(
    x, "b t h w c -> b (t p) (h q) (w r) c", p=time, q=space, r=space
  )


class ChannelNorm(nn.Module):
  """RMSNorm over the channels with scale and bias; statistics in float32."""

  epsilon: float = 1e-5

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """x [... C] -> [... C] in the dtype of x."""
    scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
    bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
    dtype, x = x.dtype, x.astype(jnp.float32)
    square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    x = x * jax.lax.rsqrt(square + self.epsilon)
    return (x * trailing(scale, x) + trailing(bias, x)).astype(dtype)


class LengthNorm(nn.Module):
  """x / max(|x|, 1e-12) * sqrt(C) * scale over channels, in float32."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """x [... C] -> [... C] in the dtype of x."""
    channels = x.shape[-1]
    scale = self.param("scale", nn.initializers.ones, (channels,))
    dtype, x = x.dtype, x.astype(jnp.float32)
    length = jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True))
    x = x / jnp.maximum(length, 1e-12) * channels**0.5
    return (x * trailing(scale, x)).astype(dtype)


class DepthwiseConv(nn.Module):
  """One k x k x k filter per channel, zero padded: [B T H W C] -> same.

  A sum of shifted products: XLA's grouped 3-D convolution is a hundred times
  slower on CPUs. Accumulates in float32.
  """

  kernel: int = 3
  use_bias: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    k, shape = self.kernel, x.shape
    kernel = self.param(
      "kernel",
      nn.initializers.lecun_normal(in_axis=(0, 1, 2), out_axis=3),
      (k, k, k, shape[-1]),
    )
    pad = (k // 2, k // 2)
    x = jnp.pad(x.astype(self.dtype), ((0, 0), pad, pad, pad, (0, 0)))
    kernel = jnp.asarray(kernel, self.dtype)
    rows = rearrange(kernel, "p q r c -> (p q) r c")

    def add_row(i: Array, total: Array) -> Array:
      """Adds the taps of one (time, row) offset; XLA fuses them."""
      window = (shape[0], *shape[1:3], shape[3] + k - 1, shape[4])
      part = jax.lax.dynamic_slice(x, (0, i // k, i % k, 0, 0), window)
      for column in range(k):
        shifted = part[..., column : column + shape[3], :]
        total += shifted.astype(jnp.float32) * trailing(
          rows[i, column], shifted
        )
      return total

    out = jax.lax.fori_loop(0, k * k, add_row, jnp.zeros(shape, jnp.float32))
    if self.use_bias:
      bias = self.param("bias", nn.initializers.zeros, (shape[-1],))
      out += trailing(bias, out)
    return out.astype(self.dtype)


class GroupedDense(nn.Module):
  """[... (G C)] -> [... (G C)]: an own C x C matrix per group, no bias."""

  width: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = rearrange(x, "... (g c) -> ... g c", c=self.width)
    kernel = self.param(
      "kernel",
      nn.initializers.lecun_normal(batch_axis=(0,)),
      (x.shape[-2], self.width, self.width),
    )
    out = jnp.einsum(
      "...gc,gcd->...gd", x.astype(self.dtype), kernel.astype(self.dtype)
    )
    return rearrange(out, "... g d -> ... (g d)")
