"""Layers that the frozen autoencoders share; channels last, any batch axes."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import pack, rearrange, reduce, repeat, unpack

from scenetok_jax.ops.attention import attend
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array

Padding = int | Sequence[tuple[int, int]]


def conv(
  features: int,
  kernel: int | Sequence[int] = 3,
  *,
  name: str,
  rank: int = 2,
  stride: int | Sequence[int] = 1,
  padding: Padding | None = None,
  use_bias: bool = True,
  dtype: Any = jnp.float32,
) -> nn.Conv:
  """A cross-correlation over the last `rank` axes before the channels.

  kernel, stride: of all axes or each. padding: zeros on both sides of every
  axis, or (before, after) of each; None keeps the size (of odd kernels).
  dtype: of the computation. name: of the parameters (kernel [*kernel C D],
  bias [D]).
  """
  sizes = (kernel,) * rank if isinstance(kernel, int) else tuple(kernel)
  if padding is None:
    padding = [(n // 2, n // 2) for n in sizes]
  return nn.Conv(
    features, sizes, stride, padding, use_bias=use_bias, dtype=dtype, name=name
  )


class GroupNorm(nn.Module):
  """x [... H W C] -> same; statistics per image and group, in float32."""

  groups: int = 32
  epsilon: float = 1e-6

  @nn.compact
  def __call__(self, x: Array) -> Array:
    channels = x.shape[-1]
    scale = self.param("scale", nn.initializers.ones, (channels,))
    bias = self.param("bias", nn.initializers.zeros, (channels,))
    dtype = x.dtype
    x = rearrange(
      x.astype(jnp.float32), "... h w (g c) -> ... h w g c", g=self.groups
    )
    # Two passes: the mean of squares minus the squared mean would cancel.
    x = x - reduce(x, "... h w g c -> ... 1 1 g 1", "mean")
    variance = reduce(jnp.square(x), "... h w g c -> ... 1 1 g 1", "mean")
    x = x * jax.lax.rsqrt(variance + self.epsilon)
    x = rearrange(x, "... h w g c -> ... h w (g c)")
    return (x * trailing(scale, x) + trailing(bias, x)).astype(dtype)


class ResBlock(nn.Module):
  """x [... C] -> [... features]: twice norm, silu, convolution; and a skip.

  norm: name -> layer. conv: (features, name) -> layer that keeps the size.
  """

  features: int
  norm: Callable[..., nn.Module]
  conv: Callable[..., nn.Module]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = x
    for i in (1, 2):
      h = jax.nn.silu(self.norm(name=f"norm{i}")(h))
      h = self.conv(self.features, name=f"conv{i}", dtype=self.dtype)(h)
    if x.shape[-1] != self.features:
      x = nn.Dense(self.features, dtype=self.dtype, name="shortcut")(x)
    return x + h


class Downsample(nn.Module):
  """[... H W C] -> [... H/2 W/2 C]: one zero right and below, 3x3, stride 2."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    ends = ((0, 1), (0, 1))
    layer = conv(
      x.shape[-1], name="conv", stride=2, padding=ends, dtype=self.dtype
    )
    return layer(x)


class Upsample(nn.Module):
  """[... H W C] -> [... 2H 2W C]: every pixel twice per side, then 3x3."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = repeat(x, "... h w c -> ... (h p) (w q) c", p=2, q=2)
    return conv(x.shape[-1], name="conv", dtype=self.dtype)(x)


def image_attention(query: Array, key: Array, value: Array) -> Array:
  """Three [... H W C] -> [... H W C]: one head over the pixels of an image.

  Softmax over keys of query . key / sqrt(C), in float32.
  """
  packed = [pack([x], "* h w c") for x in (query, key, value)]
  leading = packed[0][1]
  height = query.shape[-3]
  flat = [rearrange(x, "n h w c -> n (h w) 1 c") for x, _ in packed]
  out = rearrange(attend(*flat), "n (h w) 1 c -> n h w c", h=height)
  return unpack(out, leading, "* h w c")[0]
