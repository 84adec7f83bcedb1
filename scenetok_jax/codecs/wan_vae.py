"""Wan 2.2 VAE: 16 x 16 pixels and 4 frames per latent, 48 channels, causal.

A clip of T frames becomes 1 + (T - 1) // 4 latents: the first frame has its
own, those after the last whole group of 4 are dropped.
"""

from typing import Any

import jax.numpy as jnp

from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
  Sides,
)
from scenetok_jax.codecs.wan_vae_layers import Decoder, Encoder, Sizes
from scenetok_jax.convert.engine import Rename
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array

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
LAYOUTS = {
  "attention/norm/scale": "c 1 1 -> c",
  "scale": "c 1 1 1 -> c",
  "attention/(qkv|out)/kernel": "o i 1 1 -> i o",
  2: "o i 1 1 1 -> i o",
}


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller.

  encode: images [B T H W 3], T of any length, -> L = 1 + (T - 1) // 4.
  dtype: of the computation; norms and softmax stay in float32.
  """
  own = Sizes(**sizes)
  sides = Sides(
    "wan_vae",
    Encoder(own, dtype),
    Decoder(own, dtype),
    own.spatial,
    own.latent_channels,
    frames=1 + TEMPORAL,
    latents=2,
  )

  def encode(params: Any, images: Array) -> Encoded:
    whole = 1 + (images.shape[1] - 1) // TEMPORAL * TEMPORAL
    return Encoded(sides.encode(params, images[:, :whole]))

  return Network(sides.init, encode, sides.decode)


def renames(*, blocks: int = Sizes.blocks, **_: Any) -> list[Rename]:
  """From parameter paths to the file's names (convert.engine.Table)."""
  found: list[Rename] = [
    # Places in the reference's lists of layers: norm, silu, conv, twice.
    ("norm1/", "residual/0/"),
    ("conv1/", "residual/2/"),
    ("norm2/", "residual/3/"),
    ("conv2/", "residual/6/"),
    ("middle/block0/", "middle/0/"),
    ("middle/attention/", "middle/1/"),
    ("middle/block1/", "middle/2/"),
    ("qkv/", "to_qkv/"),
    ("out/", "proj/"),
    ("scale", "gamma"),
    ("encoder/moments", "conv1"),
    ("decoder/latents", "conv2"),
    ("embed", "conv1"),
    ("head", "head/2"),
    ("coder/norm/", "coder/head/0/"),
  ]
  for side, word, own in (
    ("encoder", "down", blocks),
    ("decoder", "up", blocks + 1),
  ):
    stage = rf"{side}/{word}samples/\1/{word}samples/"
    found += [
      (rf"{side}/stage(\d)/block", stage),
      (rf"{side}/stage(\d)/{word}/conv", rf"{stage}{own}/resample/1"),
      (rf"{side}/stage(\d)/time/conv", rf"{stage}{own}/time_conv"),
    ]
  return found
