"""VA-VAE f16d32: 16 x 16 pixels per latent, 32 channels, one frame each."""

from typing import Any

import jax.numpy as jnp

from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.codecs.va_vae_layers import Decoder, Encoder, Sizes
from scenetok_jax.flow.losses import LOGVAR_RANGE
from scenetok_jax.types import Array, Posterior

PUBLISHED = read_published("va_vae")


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
