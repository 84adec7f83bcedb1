"""VA-VAE f16d32: 16 x 16 pixels per latent, 32 channels, one frame each."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scenetok_jax.codecs.layers import (
  Downsample,
  GroupNorm,
  Upsample,
  conv,
  image_attention,
)
from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
)
from scenetok_jax.flow.losses import LOGVAR_RANGE
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError, Posterior

# fmt: off
_MEAN = (
  0.5985, -0.4992, 0.6440, -0.0971, -1.1910, -1.4332, 0.4685, 0.6259,
  0.6320, -0.4897, -0.7445, 1.1596, 0.8456, 0.5008, 0.2293, 0.4754,
  -0.4379, 0.8317, -0.0751, 0.3063, 0.4665, -0.0914, -0.8271, 0.0781,
  1.4151, 1.3792, 0.2696, -0.7573, 0.2813, -0.3092, 0.0779, 0.3497,
)
_STD = (
  3.8461, 4.2699, 3.5768, 3.5911, 3.6231, 3.4810, 3.3075, 3.5093,
  3.5541, 3.6067, 3.7058, 3.6314, 3.6295, 3.6205, 3.2590, 3.1868,
  3.8258, 3.5999, 3.2966, 3.2261, 3.2192, 3.1055, 3.5805, 4.3569,
  3.3085, 3.2076, 4.5150, 3.4870, 3.0416, 3.4869, 4.4310, 4.0881,
)
# fmt: on

PUBLISHED = Published(
  spatial=16,
  channels=32,
  grouping=Grouping(),
  scaling=Scaling(_MEAN, _STD),
  file="vavae-imagenet256-f16d32-dinov2.pt",
  source="huggingface.co/hustvl/vavae-imagenet256-f16d32-dinov2",
  licence="MIT",
  tensors=342,
  parameters=69_836_067,
)


class ResBlock(nn.Module):
  """[... H W C] -> [... H W features]: two normalised 3x3 and a skip."""

  features: int
  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = x
    for i in (1, 2):
      h = jax.nn.silu(GroupNorm(self.groups, name=f"norm{i}")(h))
      h = conv(self.features, name=f"conv{i}", dtype=self.dtype)(h)
    if x.shape[-1] != self.features:
      x = nn.Dense(self.features, dtype=self.dtype, name="shortcut")(x)
    return x + h


class AttentionBlock(nn.Module):
  """[... H W C] -> same: one head over all positions of an image."""

  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    h = GroupNorm(self.groups, name="norm")(x)

    def project(h: Array, name: str) -> Array:
      return nn.Dense(x.shape[-1], dtype=self.dtype, name=name)(h)

    h = image_attention(*(project(h, n) for n in ("query", "key", "value")))
    return x + project(h, "out")


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
      x = ResBlock(self.features, self.groups, self.dtype, name=f"block{i}")(x)
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
    x = ResBlock(x.shape[-1], *fields, name="block0")(x)
    x = AttentionBlock(*fields, name="attention0")(x)
    return ResBlock(x.shape[-1], *fields, name="block1")(x)


class Encoder(nn.Module):
  """images [... H W 3] in [-1, 1] -> moments [... h w 2C], mean first."""

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    s = self.sizes
    x = conv(s.width, name="embed", dtype=self.dtype)(x)
    for i, width in enumerate(s.widths):
      x = Level(
        width,
        s.blocks,
        i in s.attention,
        s.groups,
        self.dtype,
        name=f"level{i}",
      )(x)
      if i + 1 < len(s.widths):
        x = Downsample(self.dtype, name=f"down{i}")(x)
    x = Middle(s.groups, self.dtype, name="middle")(x)
    x = jax.nn.silu(GroupNorm(s.groups, name="norm")(x))
    x = conv(2 * s.latent_channels, name="head", dtype=self.dtype)(x)
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
    x = conv(s.widths[-1], name="embed", dtype=self.dtype)(x)
    x = Middle(s.groups, self.dtype, name="middle")(x)
    for i, width in reversed(list(enumerate(s.widths))):
      x = Level(
        width,
        s.blocks + 1,
        i in s.attention,
        s.groups,
        self.dtype,
        name=f"level{i}",
      )(x)
      if i > 0:
        x = Upsample(self.dtype, name=f"up{i}")(x)
    x = jax.nn.silu(GroupNorm(s.groups, name="norm")(x))
    return conv(3, name="head", dtype=self.dtype)(x).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class VaVae:
  """The autoencoder as functions of params {"encoder", "decoder"}.

  dtype: of the computation; norms, softmax and the posterior are float32.
  """

  sizes: Sizes = Sizes()
  dtype: Any = jnp.float32

  def init(self, key: Array) -> Any:
    """Random parameters, float32."""
    side = self.sizes.factor
    keys = jax.random.split(key)
    images = jnp.zeros((1, side, side, 3))
    latents = jnp.zeros((1, 1, 1, self.sizes.latent_channels))
    return {
      "encoder": Encoder(self.sizes).init(keys[0], images)["params"],
      "decoder": Decoder(self.sizes).init(keys[1], latents)["params"],
    }

  def moments(self, params: Any, images: Array) -> Array:
    """images [... H W 3] in [-1, 1] -> mean and raw log-variance [... h w 2C].

    Raises:
      InputError: H or W is not a multiple of the factor.
    """
    height, width = images.shape[-3:-1]
    if height % self.sizes.factor or width % self.sizes.factor:
      raise InputError(
        f"va_vae: images of {height} x {width} pixels: not multiples of"
        f" {self.sizes.factor}; resize or crop them"
      )
    encoder = Encoder(self.sizes, self.dtype)
    return encoder.apply({"params": params["encoder"]}, images)

  def encode(self, params: Any, images: Array) -> Encoded:
    """images [... H W 3] in [-1, 1] -> posterior over latents [... h w C]."""
    return encoded(posterior(self.moments(params, images)))

  def decode(self, params: Any, latents: Array) -> Array:
    """latents [... h w C] -> images [... H W 3], about [-1, 1]."""
    decoder = Decoder(self.sizes, self.dtype)
    return decoder.apply({"params": params["decoder"]}, latents)


def posterior(moments: Array) -> Posterior:
  """moments [... 2C] -> mean and clamped log-variance [... C]."""
  mean, logvar = jnp.split(moments, 2, axis=-1)
  return Posterior(mean, jnp.clip(logvar, *LOGVAR_RANGE))


def encoded(latents: Posterior) -> Encoded:
  """The same Gaussian with its standard deviation."""
  return Encoded(latents.mean, jnp.exp(0.5 * latents.logvar))


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller."""
  model = VaVae(Sizes(**sizes), dtype)
  return Network(init=model.init, encode=model.encode, decode=model.decode)
