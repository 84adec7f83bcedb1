"""Wan 2.2 VAE: 16 x 16 pixels and 4 frames per latent, 48 channels, causal.

A clip of T frames becomes 1 + (T - 1) // 4 latents: the first frame has its
own, those after the last whole group of 4 are dropped.
"""

from typing import Any

import jax.numpy as jnp

from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.codecs.wan_vae_layers import Decoder, Encoder, Sizes
from scenetok_jax.convert.engine import Rename

PUBLISHED = read_published("wan_vae")


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller.

  encode: images [B T H W 3], T of any length, -> L = 1 + (T - 1) // 4.
  dtype: of the computation; norms and softmax stay in float32.
  """
  own = Sizes(**sizes)
  both = (Encoder(own, dtype), Decoder(own, dtype))
  # Two latents: the layers along time leave a first frame alone.
  return autoencoder(*both, own.spatial, own.latent_channels, 5, 2)


def renames(*, blocks: int = Sizes.blocks, **_: Any) -> list[Rename]:
  """The stages' layers, which the file counts."""
  found: list[Rename] = []
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
