"""Codec: frozen functions between pixels and normalised latents."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from scenetok_jax.codecs import block_dct
from scenetok_jax.geometry.latent_frames import num_frames, num_latents
from scenetok_jax.types import Array, InputError


@dataclasses.dataclass(frozen=True)
class Codec:
  """A frozen autoencoder as a struct of pure functions.

  name: what the configuration calls it.
  spatial: pixels per latent cell, per side.
  frames_per_latent, chunked: temporal grouping (geometry.rays.group_frames).
  channels: channels of a latent.
  params: frozen arrays, {} when there are none.
  encode: (params, images [B T H W 3] in [0, 1], key or None) ->
    normalised latents [B L h w C]; without a key the posterior's mean.
  decode: (params, latents [B L h w C]) -> images [B T H W 3] in [0, 1].
  """

  name: str
  spatial: int
  frames_per_latent: int
  chunked: bool
  channels: int
  params: Any
  encode: Callable[[Any, Array, Array | None], Array]
  decode: Callable[[Any, Array], Array]

  def grid(self, size: int) -> tuple[int, int]:
    """Latent (h, w) of square images of `size` pixels.

    Raises:
      InputError: the image size is not a multiple of the spatial factor.
    """
    if size % self.spatial:
      raise InputError(
        f"data.image_size: {size} is not a multiple of the {self.name} "
        f"codec's spatial factor {self.spatial}; choose another size"
      )
    return size // self.spatial, size // self.spatial

  def frames(self, latents: int) -> int:
    """Frames that `latents` whole latents cover."""
    return num_frames(latents, self.frames_per_latent, self.chunked)

  def latents(self, frames: int) -> int:
    """Whole latents in `frames` frames; the rest is dropped."""
    return num_latents(frames, self.frames_per_latent, self.chunked)

  def round_trip(self, images: Array) -> Array:
    """images [B T H W 3] -> decode(encode(images)): the codec's ceiling."""
    return self.decode(self.params, self.encode(self.params, images, None))


def get_codec(
  name: str,
  *,
  spatial: int,
  channels: int,
  frames_per_latent: int = 1,
  chunked: bool = False,
  **options: Any,
) -> Codec:
  """Builds a codec from its configuration fields.

  Raises:
    InputError: unknown name, or more channels than coefficients.
  """
  if name != "block_dct":
    raise InputError(
      f"codecs: {name!r} has no weights here; use 'block_dct', or the config's "
      "variant ':embedded', which trains the same networks on it"
    )
  spec = block_dct.BlockDct(
    spatial=spatial,
    channels=channels,
    frames=frames_per_latent,
    chunked=chunked,
    **options,
  )
  return Codec(
    name=name,
    spatial=spatial,
    frames_per_latent=frames_per_latent,
    chunked=chunked,
    channels=channels,
    params={},
    encode=lambda params, images, key: block_dct.encode(spec, images),
    decode=lambda params, latents: jnp.clip(
      block_dct.decode(spec, latents), 0.0, 1.0
    ),
  )
