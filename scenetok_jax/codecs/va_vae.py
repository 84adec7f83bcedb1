"""VA-VAE f16d32: 16 x 16 pixels per latent, 32 channels, one frame each."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scenetok_jax.codecs import layers
from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.flow.losses import LOGVAR_RANGE
from scenetok_jax.types import Array, Posterior

PUBLISHED = read_published("va_vae")


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Sizes of the network; the defaults are the published ones.

  width: of level 0. multipliers: width of each level over that.
  blocks: ResBlocks of an encoder level; a decoder level has one more.
  attention: levels that attend. groups: of the group norms.
  """

  width: int = 128
  multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
  blocks: int = 2
  attention: tuple[int, ...] = (4,)
  groups: int = 32
  latent_channels: int = 32

  @property
  def widths(self) -> tuple[int, ...]:
    return tuple(self.width * m for m in self.multipliers)

  @property
  def factor(self) -> int:
    """Pixels per latent, per side."""
    return 2 ** (len(self.multipliers) - 1)


def res_block(
  features: int, groups: int, dtype: Any, name: str
) -> layers.ResBlock:
  """Two normalised 3x3: [... H W C] -> [... H W features]."""
  norm = functools.partial(layers.GroupNorm, groups)
  return layers.ResBlock(features, norm, layers.conv, dtype, name=name)


class AttentionBlock(nn.Module):
  """[... H W C] -> same: one head over all positions of an image."""

  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = layers.GroupNorm(self.groups, name="norm")(x)

    def project(h: Array, name: str) -> Array:
      return nn.Dense(x.shape[-1], dtype=self.dtype, name=name)(h)

    h = layers.image_attention(
      *(project(h, n) for n in ("query", "key", "value"))
    )
    return x + project(h, "out")


class Level(nn.Module):
  """One resolution: ResBlocks, each followed by attention if asked."""

  features: int
  blocks: int
  attention: bool
  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    for i in range(self.blocks):
      x = res_block(self.features, self.groups, self.dtype, f"block{i}")(x)
      if self.attention:
        x = AttentionBlock(self.groups, self.dtype, name=f"attention{i}")(x)
    return x


class Middle(nn.Module):
  """ResBlock, attention, ResBlock: [... h w C] -> same."""

  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    fields = (self.groups, self.dtype)
    x = res_block(x.shape[-1], *fields, "block0")(x)
    x = AttentionBlock(*fields, name="attention0")(x)
    return res_block(x.shape[-1], *fields, "block1")(x)


class Encoder(nn.Module):
  """images [... H W 3] in [-1, 1] -> moments [... h w 2C], mean first."""

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    s = self.sizes
    x = layers.conv(s.width, name="embed", dtype=self.dtype)(x)
    for i, width in enumerate(s.widths):
      fields = (width, s.blocks, i in s.attention, s.groups)
      x = Level(*fields, self.dtype, name=f"level{i}")(x)
      if i + 1 < len(s.widths):
        x = layers.Downsample(self.dtype, name=f"down{i}")(x)
    x = Middle(s.groups, self.dtype, name="middle")(x)
    x = jax.nn.silu(layers.GroupNorm(s.groups, name="norm")(x))
    x = layers.conv(2 * s.latent_channels, name="head", dtype=self.dtype)(x)
    moments = nn.Dense(x.shape[-1], dtype=self.dtype, name="moments")(x)
    return moments.astype(jnp.float32)


class Decoder(nn.Module):
  """latents [... h w C] -> images [... H W 3], about [-1, 1], float32."""

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    s = self.sizes
    x = nn.Dense(x.shape[-1], dtype=self.dtype, name="latents")(x)
    x = layers.conv(s.widths[-1], name="embed", dtype=self.dtype)(x)
    x = Middle(s.groups, self.dtype, name="middle")(x)
    for i, width in reversed(list(enumerate(s.widths))):
      fields = (width, s.blocks + 1, i in s.attention, s.groups)
      x = Level(*fields, self.dtype, name=f"level{i}")(x)
      if i > 0:
        x = layers.Upsample(self.dtype, name=f"up{i}")(x)
    x = jax.nn.silu(layers.GroupNorm(s.groups, name="norm")(x))
    return layers.conv(3, name="head", dtype=self.dtype)(x).astype(jnp.float32)


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller.

  dtype: of the computation; norms, softmax and the posterior are float32.
  """
  own = Sizes(**sizes)
  return autoencoder(
    Encoder(own, dtype),
    Decoder(own, dtype),
    own.factor,
    own.latent_channels,
    posterior=posterior,
  )


def posterior(moments: Array) -> Posterior:
  """moments [... 2C] -> mean and clamped log-variance [... C]."""
  mean, logvar = jnp.split(moments, 2, axis=-1)
  return Posterior(mean, jnp.clip(logvar, *LOGVAR_RANGE))
