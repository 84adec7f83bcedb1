"""Wan 2.2 VAE: 16 x 16 pixels and 4 frames per latent, 48 channels, causal.

A clip of T frames becomes 1 + (T - 1) // 4 latents: the first frame has its
own, those after the last whole group of 4 are dropped. x [B T H W C] is a clip.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs import layers, layers_3d
from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.convert.engine import Rename
from scenetok_jax.types import Array

PUBLISHED = read_published("wan_vae")
TEMPORAL = 4  # frames per latent, but for a clip's first


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Widths and depths; the published ones.

  encoder_width, decoder_width: at full resolution.
  multipliers: of the widths, per stage, finest first.
  blocks: residual blocks of an encoder stage; a decoder's has one more.
  temporal: which of the stages but the last halve time.
  patch: pixels per side that are folded into channels first.
  """

  encoder_width: int = 160
  decoder_width: int = 256
  multipliers: tuple[int, ...] = (1, 2, 4, 4)
  blocks: int = 2
  temporal: tuple[bool, ...] = (False, True, True)
  latent_channels: int = 48
  patch: int = 2

  @property
  def spatial(self) -> int:
    """Pixels per latent, per side."""
    return self.patch * 2 ** (len(self.multipliers) - 1)


def causal_conv(
  features: int,
  kernel: tuple[int, int, int] = (3, 3, 3),
  *,
  name: str,
  dtype: Any,
) -> nn.Conv:
  """[B T H W C] -> [B T H W D]: a frame sees itself and two before."""
  time, *space = kernel
  padding = [(time - 1, 0), *((n // 2, n // 2) for n in space)]
  return layers.conv(
    features, kernel, name=name, rank=3, padding=padding, dtype=dtype
  )


def res_block(features: int, dtype: Any, name: str) -> layers.ResBlock:
  """Two normalised causal 3x3x3: [B T H W C] -> [B T H W features]."""
  return layers.ResBlock(
    features, layers_3d.LengthNorm, causal_conv, dtype, name=name
  )


class AttentionBlock(nn.Module):
  """x [B T H W C] -> x + one head over the pixels of each frame."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    h = layers_3d.LengthNorm(name="norm")(x)
    qkv = nn.Dense(3 * width, dtype=self.dtype, name="qkv")(h)
    h = layers.image_attention(*jnp.split(qkv, 3, axis=-1))
    return x + nn.Dense(width, dtype=self.dtype, name="out")(h)


class Middle(nn.Module):
  """Residual, attention, residual: [B T h w C] -> same."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    x = res_block(width, self.dtype, "block0")(x)
    x = AttentionBlock(self.dtype, name="attention")(x)
    return res_block(width, self.dtype, "block1")(x)


class TimeDown(nn.Module):
  """[B T H W C] -> [B T/2 H W C]; a clip's first frame stays as it is."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    start = x[:, :1]
    if x.shape[1] < 3:
      return start
    settings = {"stride": (2, 1, 1), "padding": 0, "dtype": self.dtype}
    h = layers.conv(x.shape[-1], (3, 1, 1), name="conv", rank=3, **settings)(x)
    return jnp.concatenate([start.astype(h.dtype), h], axis=1)


class TimeUp(nn.Module):
  """[B T H W C] -> [B 2T H W C]; a clip's first frame stays, unseen."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    start, x = x[:, :1], x[:, 1:]
    width = 2 * x.shape[-1]
    h = causal_conv(width, (3, 1, 1), name="conv", dtype=self.dtype)(x)
    h = rearrange(h, "b t h w (p c) -> b (t p) h w c", p=2)
    return jnp.concatenate([start.astype(h.dtype), h], axis=1)


class DownStage(nn.Module):
  """Residual blocks and halving, plus averages: [B T H W C] -> [... D].

  space, time: what is halved.
  """

  features: int
  blocks: int
  space: bool
  time: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = x
    for i in range(self.blocks):
      h = res_block(self.features, self.dtype, f"block{i}")(h)
    if self.space:
      h = layers.Downsample(self.dtype, name="down")(h)
    if self.time:
      h = TimeDown(self.dtype, name="time")(h)
      # The published network averages this zero frame with the first one.
      x = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0), (0, 0)))
    time, space = 2 if self.time else 1, 2 if self.space else 1
    return h + layers_3d.average_channels(
      layers_3d.unshuffle(x, time, space), self.features
    )


class UpStage(nn.Module):
  """Residual blocks and doubling, plus copies: [B T H W C] -> [... D].

  space, time: what is doubled; a stage that doubles nothing adds no copies.
  """

  features: int
  blocks: int
  space: bool
  time: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = x
    for i in range(self.blocks):
      h = res_block(self.features, self.dtype, f"block{i}")(h)
    if self.time:
      h = TimeUp(self.dtype, name="time")(h)
    if not self.space:
      return h
    h = layers.Upsample(self.dtype, name="up")(h)
    time = 2 if self.time else 1
    copies = layers_3d.repeat_channels(x, self.features * time * 4)
    return h + layers_3d.shuffle(copies, time, 2)[:, time - 1 :]


def patchify(x: Array, patch: int) -> Array:
  """[B T H W C] -> [B T H/p W/p C*p*p], channels (c, column, row)."""
  return rearrange(x, "b t (h q) (w r) c -> b t h w (c r q)", q=patch, r=patch)


def unpatchify(x: Array, patch: int) -> Array:
  """The inverse of `patchify`."""
  return rearrange(x, "b t h w (c r q) -> b t (h q) (w r) c", q=patch, r=patch)


class Encoder(nn.Module):
  """images [B T H W 3] in [-1, 1] -> means [B L h w C]; the mode."""

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    sizes, dtype = self.sizes, self.dtype
    x = x[:, : 1 + (x.shape[1] - 1) // TEMPORAL * TEMPORAL]
    widths = [sizes.encoder_width * m for m in sizes.multipliers]
    x = patchify(x, sizes.patch)
    x = causal_conv(sizes.encoder_width, name="embed", dtype=dtype)(x)
    for i, width in enumerate(widths):
      space = i + 1 < len(widths)
      fields = (width, sizes.blocks, space, space and sizes.temporal[i])
      x = DownStage(*fields, dtype, name=f"stage{i}")(x)
    x = Middle(self.dtype, name="middle")(x)
    x = jax.nn.silu(layers_3d.LengthNorm(name="norm")(x))
    moments = 2 * sizes.latent_channels
    x = causal_conv(moments, name="head", dtype=dtype)(x)
    # The log-variance is not used: encoding is deterministic.
    x = nn.Dense(moments, dtype=self.dtype, name="moments")(x)
    return x[..., : sizes.latent_channels].astype(jnp.float32)


class Decoder(nn.Module):
  """latents [B L h w C] -> images [B T H W 3], about [-1, 1]."""

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    sizes, dtype = self.sizes, self.dtype
    widths = [sizes.decoder_width * m for m in reversed(sizes.multipliers)]
    x = nn.Dense(x.shape[-1], dtype=self.dtype, name="latents")(x)
    x = causal_conv(widths[0], name="embed", dtype=dtype)(x)
    x = Middle(self.dtype, name="middle")(x)
    times = (*reversed(sizes.temporal), False)
    for i, (width, time) in enumerate(zip(widths, times, strict=True)):
      fields = (width, sizes.blocks + 1, i + 1 < len(widths), time)
      x = UpStage(*fields, dtype, name=f"stage{i}")(x)
    x = jax.nn.silu(layers_3d.LengthNorm(name="norm")(x))
    colours = 3 * sizes.patch**2
    x = causal_conv(colours, name="head", dtype=dtype)(x)
    return unpatchify(x, sizes.patch).astype(jnp.float32)


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller.

  encode: images [B T H W 3], T of any length, -> L = 1 + (T - 1) // 4.
  dtype: of the computation; norms and softmax stay in float32.
  """
  own = Sizes(**sizes)
  both = (Encoder(own, dtype), Decoder(own, dtype))
  # Two latents: the layers along time leave a first frame alone.
  return autoencoder(*both, own.spatial, own.latent_channels, 5, 2)


def renames(**sizes: Any) -> list[Rename]:
  """The stages' layers, which the file counts."""
  found: list[Rename] = []
  blocks = Sizes(**sizes).blocks
  sides = (("encoder", "down", blocks), ("decoder", "up", blocks + 1))
  for side, word, own in sides:
    stage = rf"{side}/{word}samples/\1/{word}samples/"
    found += [
      (rf"{side}/stage(\d)/block", stage),
      (rf"{side}/stage(\d)/{word}/conv", rf"{stage}{own}/resample/1"),
      (rf"{side}/stage(\d)/time/conv", rf"{stage}{own}/time_conv"),
    ]
  return found
