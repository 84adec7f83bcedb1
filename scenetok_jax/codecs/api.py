"""Builds a codec from the fields of a configuration."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.codec import FRAMES_AT_ONCE, Codec, unit_range
from scenetok_jax.codecs.network import Network, Published, map_clips
from scenetok_jax.codecs.registry import codec_module, published
from scenetok_jax.codecs.weights import load_weights, read_manifest
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError


def get_codec(
  name: str,
  *,
  spatial: int | None = None,
  channels: int | None = None,
  frames_per_latent: int | None = None,
  chunked: bool | None = None,
  weights: str | None = None,
  dtype: str | None = None,
  frames_at_once: int | None = None,
  **options: Any,
) -> Codec:
  """Builds a codec from its configuration fields.

  A published codec is described without weights; only encoding and decoding
  need them.

  Args:
    name: a key of codecs.registry.CODECS.
    spatial: pixels per latent cell; a published codec knows its own, and the
      next three, which are then only checked.
    channels: of a latent.
    frames_per_latent: of a latent, default 1.
    chunked: 17 frames make 5 latents.
    weights: folder made by scenetok convert --codec NAME.
    dtype: compute dtype, "float32" (default) or "bfloat16".
    frames_at_once: frames that one device works on together; clips are cut
      where they do not see each other, so a longer clip counts as one.
    **options: of the block DCT, or fields of the network's module.

  Raises:
    InputError: unknown name, a geometry that is not the codec's, no such
      weights, or more channels than coefficients.
  """
  module = codec_module(name)
  if not hasattr(module, "PUBLISHED"):
    grouping = Grouping(frames_per_latent or 1, bool(chunked))
    codec: Codec = module.codec(spatial, channels, grouping, **options)
    return codec
  entry = published(name)
  checked = {
    "spatial": (spatial, entry.spatial),
    "channels": (channels, entry.channels),
    "frames_per_latent": (
      frames_per_latent,
      entry.grouping.frames_per_latent,
    ),
    "chunked": (chunked, entry.grouping.chunked),
  }
  for field, (value, own) in checked.items():
    if value not in (None, own):
      raise InputError(
        f"config: codecs: {field}: {value} is not the {name} codec's; set {own}"
      )
  if dtype not in (None, "float32", "bfloat16"):
    raise InputError(
      f"config: codecs: dtype: {dtype!r} is not 'float32' or 'bfloat16'"
    )
  fields = _fields(name, weights) | options

  @functools.cache
  def make() -> Network:
    network: Network = module.network(
      dtype=jnp.dtype(dtype or "float32"), **fields
    )
    return network

  return network_codec(
    name, entry, make, weights, frames_at_once or FRAMES_AT_ONCE
  )


def _fields(name: str, weights: str | None) -> dict[str, Any]:
  """Fields of the module that the weights are of."""
  if weights is None:
    return {}
  manifest = read_manifest(weights)
  if manifest.codec != name:
    raise InputError(
      f"{weights}: holds {manifest.codec}, the configuration names {name};"
      " give the folder of that codec"
    )
  return dict(manifest.fields)


def network_codec(
  name: str,
  entry: Published,
  make: Callable[[], Network],
  weights: str | None = None,
  frames_at_once: int = FRAMES_AT_ONCE,
) -> Codec:
  """A network with the grouping, scaling and clipping of the release."""

  def clips(x: Array, size: int) -> Array:
    return rearrange(x, "b (n t) ... -> (b n) t ...", t=size)

  def joined(x: Array, batch: int) -> Array:
    return rearrange(x, "(b n) t ... -> b (n t) ...", b=batch)

  def at_once(frames: int) -> int:
    return max(1, frames_at_once // frames)

  def encode(params: Any, images: Array, key: Array | None) -> Array:
    _need(name, entry, params)
    codec.check_images(images.shape)
    size = _clip_frames(entry.grouping, images.shape[1])
    found = map_clips(
      lambda x: make().encode(params, 2.0 * x - 1.0),
      clips(jnp.asarray(images, jnp.float32), size),
      at_once(size),
    )
    latents = joined(found.sample(key), images.shape[0])
    return entry.scaling.normalize(latents)

  def decode(params: Any, latents: Array) -> Array:
    _need(name, entry, params)
    size = _clip_latents(entry.grouping, latents.shape[1])
    images = map_clips(
      lambda x: unit_range(make().decode(params, x)),
      clips(entry.scaling.restore(jnp.asarray(latents, jnp.float32)), size),
      at_once(size * entry.grouping.frames_per_latent),
    )
    return joined(images, latents.shape[0])

  codec = Codec(
    name=name,
    spatial=entry.spatial,
    grouping=entry.grouping,
    channels=entry.channels,
    scaling=entry.scaling,
    encode=encode,
    decode=decode,
    make=make,
    load=lambda: load_weights(weights, make().shapes()) if weights else {},
    coupled=entry.grouping.unit_frames > 1 and not entry.grouping.chunked,
    frames_at_once=frames_at_once,
  )
  return codec


def _clip_frames(grouping: Grouping, frames: int) -> int:
  """Frames that an encoder call must see together."""
  whole = grouping.unit_frames
  if whole == 1 or (grouping.chunked and frames > whole):
    return whole
  return frames


def _clip_latents(grouping: Grouping, latents: int) -> int:
  """Latents that a decoder call must see together."""
  if grouping.unit_frames == 1:
    return 1
  if grouping.chunked and latents > grouping.unit_latents:
    grouping.frames(latents)  # whole chunks only
    return grouping.unit_latents
  return latents


def _need(name: str, entry: Published, params: Any) -> None:
  if not params:
    raise InputError(
      f"config: codecs: {name} has no weights; set codecs.context.weights or"
      f" codecs.target.weights to the folder that scenetok convert --codec"
      f" {name} makes from {entry.file} ({entry.source}), or use the"
      " configuration's variant :embedded, which needs none"
    )
