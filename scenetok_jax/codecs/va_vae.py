"""VA-VAE f16d32: 16 x 16 pixels per latent, 32 channels, one frame each."""

from typing import Any

import jax.numpy as jnp

from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
  Sides,
)
from scenetok_jax.codecs.va_vae_layers import Decoder, Encoder, Sizes
from scenetok_jax.convert.engine import Rename
from scenetok_jax.flow.losses import LOGVAR_RANGE
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, Posterior

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


# The published file also holds what only training needs (loss.*,
# foundation_model.*, linear_proj.*); the autoencoder is all of these.
PREFIXES = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
LAYOUTS = {2: "o i 1 1 -> i o"}


def sides(sizes: Sizes, dtype: Any = jnp.float32) -> Sides:
  """The two halves; the encoder gives moments [... 2C], mean first.

  dtype: of the computation; norms, softmax and the posterior are float32.
  """
  encoder, decoder = Encoder(sizes, dtype), Decoder(sizes, dtype)
  factor, channels = sizes.factor, sizes.latent_channels
  return Sides("va_vae", encoder, decoder, factor, channels)


def posterior(moments: Array) -> Posterior:
  """moments [... 2C] -> mean and clamped log-variance [... C]."""
  mean, logvar = jnp.split(moments, 2, axis=-1)
  return Posterior(mean, jnp.clip(logvar, *LOGVAR_RANGE))


def encoded(latents: Posterior) -> Encoded:
  """The same Gaussian with its standard deviation."""
  return Encoded(latents.mean, jnp.exp(0.5 * latents.logvar))


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller."""
  both = sides(Sizes(**sizes), dtype)

  def encode(params: Any, images: Array) -> Encoded:
    return encoded(posterior(both.encode(params, images)))

  return Network(both.init, encode, both.decode)


def renames(**_: Any) -> tuple[Rename, ...]:
  """From parameter paths to the file's names (convert.engine.Table)."""
  return (
    ("encoder/moments", "quant_conv"),
    ("decoder/latents", "post_quant_conv"),
    ("middle/block0", "mid/block_1"),
    ("middle/attention0", "mid/attn_1"),
    ("middle/block1", "mid/block_2"),
    ("encoder/(level|down)", "encoder/down/"),
    ("decoder/(level|up)", "decoder/up/"),
    (r"(down|up)/(\d)/conv/", r"\1/\2/\1sample/conv/"),
    (r"block(\d)", r"block/\1"),
    (r"attention(\d)", r"attn/\1"),
    ("shortcut", "nin_shortcut"),
    ("query", "q"),
    ("key", "k"),
    ("value", "v"),
    ("/out/", "/proj_out/"),
    ("coder/norm/", "coder/norm_out/"),
    ("embed", "conv_in"),
    ("head", "conv_out"),
  )
