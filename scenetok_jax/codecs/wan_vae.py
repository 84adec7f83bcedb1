"""Wan 2.2 VAE: 16 x 16 pixels and 4 frames per latent, 48 channels, causal.

A clip of T frames becomes 1 + (T - 1) // 4 latents: the first frame has its
own, those after the last whole group of 4 are dropped.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.layers_3d import LengthNorm
from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
)
from scenetok_jax.codecs.wan_vae_layers import (
  DownStage,
  Middle,
  UpStage,
  causal_conv,
)
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError

# fmt: off
_MEAN = (
  -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557,
  -0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098, 0.0375, -0.1825,
  -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
  -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230,
  -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748,
  0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
_STD = (
  0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013,
  0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978,
  0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
  0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093,
  0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887,
  0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on

PUBLISHED = Published(
  spatial=16,
  channels=48,
  grouping=Grouping(4, chunked=True),
  scaling=Scaling(_MEAN, _STD),
  file="Wan2.2_VAE.pth",
  source="huggingface.co/Wan-AI/Wan2.2-TI2V-5B",
  licence="Apache-2.0",
  tensors=196,
  parameters=704_688_668,
)

TEMPORAL = 4  # frames per latent, but for a clip's first
_COLOURS = 3


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
    widths = [sizes.encoder_width * m for m in sizes.multipliers]
    x = patchify(x, sizes.patch)
    x = causal_conv(x, sizes.encoder_width, name="embed", dtype=dtype)
    for i, width in enumerate(widths):
      last = i + 1 == len(widths)
      x = DownStage(
        width,
        sizes.blocks,
        not last,
        not last and sizes.temporal[i],
        self.dtype,
        name=f"stage{i}",
      )(x)
    x = Middle(self.dtype, name="middle")(x)
    x = jax.nn.silu(LengthNorm(name="norm")(x))
    moments = 2 * sizes.latent_channels
    x = causal_conv(x, moments, name="head", dtype=dtype)
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
    x = causal_conv(x, widths[0], name="embed", dtype=dtype)
    x = Middle(self.dtype, name="middle")(x)
    times = (*reversed(sizes.temporal), False)
    for i, (width, time) in enumerate(zip(widths, times, strict=True)):
      x = UpStage(
        width,
        sizes.blocks + 1,
        i + 1 < len(widths),
        time,
        self.dtype,
        name=f"stage{i}",
      )(x)
    x = jax.nn.silu(LengthNorm(name="norm")(x))
    colours = _COLOURS * sizes.patch**2
    x = causal_conv(x, colours, name="head", dtype=dtype)
    return unpatchify(x, sizes.patch).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class WanVae:
  """The autoencoder as functions of params {"encoder", "decoder"}.

  dtype: of the computation; norms and softmax stay in float32.
  """

  sizes: Sizes = dataclasses.field(default_factory=Sizes)
  dtype: Any = jnp.float32

  def _encoder(self) -> Encoder:
    return Encoder(self.sizes, self.dtype)

  def _decoder(self) -> Decoder:
    return Decoder(self.sizes, self.dtype)

  def init(self, key: Array) -> Any:
    """Random parameters, float32."""
    size = self.sizes.spatial
    images = jnp.zeros((1, 1 + TEMPORAL, size, size, _COLOURS))
    latents = jnp.zeros((1, 2, 1, 1, self.sizes.latent_channels))
    keys = jax.random.split(key)
    return {
      "encoder": self._encoder().init(keys[0], images)["params"],
      "decoder": self._decoder().init(keys[1], latents)["params"],
    }

  def encode(self, params: Any, images: Array) -> Array:
    """images [B T H W 3] in [-1, 1] -> latents [B L h w C], unscaled.

    T of any length; L = 1 + (T - 1) // 4.

    Raises:
      InputError: H or W is not a multiple of 16.
    """
    frames, height, width = images.shape[1:4]
    factor = self.sizes.spatial
    if height % factor or width % factor:
      raise InputError(
        f"wan_vae: images of {height} x {width} pixels: not multiples of"
        f" {factor}; resize or crop them"
      )
    whole = images[:, : 1 + (frames - 1) // TEMPORAL * TEMPORAL]
    return self._encoder().apply({"params": params["encoder"]}, whole)

  def decode(self, params: Any, latents: Array) -> Array:
    """latents [B 1+m h w C], unscaled -> images [B 1+4m H W 3], not clipped."""
    return self._decoder().apply({"params": params["decoder"]}, latents)


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller."""
  model = WanVae(Sizes(**sizes), dtype)
  return Network(
    init=model.init,
    encode=lambda params, images: Encoded(model.encode(params, images)),
    decode=model.decode,
  )
