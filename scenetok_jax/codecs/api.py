"""Builds a codec from the fields of a configuration."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.codec import FRAMES_AT_ONCE, Codec, unit_range
from scenetok_jax.codecs.network import Network, Published, map_clips
from scenetok_jax.codecs.registry import codec_module, published
from scenetok_jax.codecs.weights import load_weights, read_manifest
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError, check_known

DTYPES = ("float32", "bfloat16")  # of computations


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

  name: a key of codecs.registry.CODECS. spatial: pixels per latent cell; a
  published codec knows its own, and the next three, which are then only
  checked. channels, frames_per_latent: of a latent; chunked: see Grouping.
  weights: folder made by scenetok convert --codec NAME. dtype: compute dtype,
  "float32" (default) or "bfloat16". frames_at_once: frames that one device
  works on together; clips are cut where they do not see each other, so a longer
  clip counts as one. options: of the block DCT, or fields of the network's
  module.

  InputError for an unknown name, a geometry that is not the codec's, weights
  that are not there, or more channels than coefficients.
  """
  module = codec_module(name)
  if not hasattr(module, "PUBLISHED"):
    # It takes none of these; where one is given, Python says so.
    more = dict(weights=weights, dtype=dtype, frames_at_once=frames_at_once)
    options |= {
      name: value for name, value in more.items() if value is not None
    }
    grouping = Grouping(frames_per_latent or 1, bool(chunked))
    codec: Codec = module.codec(spatial, channels, grouping, **options)
    return codec
  entry = published(name)
  own = {
    "spatial": entry.spatial,
    "channels": entry.channels,
    **dataclasses.asdict(entry.grouping),
  }
  given = (spatial, channels, frames_per_latent, chunked)
  for (field, right), value in zip(own.items(), given, strict=True):
    if value not in (None, right):
      raise InputError(
        f"config: codecs: {field}: {value} is not the {name} codec's; set"
        f" {right}"
      )
  dtype = dtype or "float32"
  check_known(dtype, DTYPES, "config: codecs: dtype")
  fields: dict[str, Any] = {}
  if weights is not None:
    manifest = read_manifest(weights)
    if manifest.codec != name:
      raise InputError(
        f"{weights}: holds {manifest.codec}, the configuration names {name};"
        " give the folder of that codec"
      )
    fields = dict(manifest.fields)
  fields |= {**options, "dtype": jnp.dtype(dtype)}
  make = functools.cache(functools.partial(module.network, **fields))
  at_once = frames_at_once or FRAMES_AT_ONCE
  return network_codec(name, entry, make, weights, at_once)


def network_codec(
  name: str,
  entry: Published,
  make: Callable[[], Network],
  weights: str | None = None,
  frames_at_once: int = FRAMES_AT_ONCE,
) -> Codec:
  """A network with the grouping, scaling and clipping of the release."""
  grouping = entry.grouping

  def together(count: int, unit: int) -> int:
    """Of so many frames or latents, those that a call must see together."""
    apart = grouping.chunked and count > unit
    return unit if apart or grouping.unit_frames == 1 else count

  def by_clip(
    function: Callable[[Array], Any], x: Array, size: int, frames: int
  ) -> Any:
    """function of x cut into clips of `size`, which decode to `frames`."""
    clips = rearrange(x, "b (n t) ... -> (b n) t ...", t=size)
    return map_clips(function, clips, max(1, frames_at_once // frames))

  def joined(x: Array, batch: int) -> Array:
    return rearrange(x, "(b n) t ... -> b (n t) ...", b=batch)

  def encode(params: Any, images: Array, key: Array | None) -> Array:
    _need(name, entry, params)
    codec.check_images(images.shape)
    size = together(images.shape[1], grouping.unit_frames)
    found = by_clip(
      lambda x: make().encode(params, 2.0 * x - 1.0),
      jnp.asarray(images, jnp.float32),
      size,
      size,
    )
    shape = found.mean.shape
    noise = None if key is None else jax.random.normal(key, shape, jnp.float32)
    latents = joined(found.sample(noise), images.shape[0])
    return entry.scaling.normalize(latents)

  def decode(params: Any, latents: Array) -> Array:
    _need(name, entry, params)
    size = together(latents.shape[1], grouping.unit_latents)
    if size < latents.shape[1]:
      grouping.frames(latents.shape[1])  # whole chunks only
    images = by_clip(
      lambda x: unit_range(make().decode(params, x)),
      entry.scaling.restore(jnp.asarray(latents, jnp.float32)),
      size,
      size * grouping.frames_per_latent,
    )
    return joined(images, latents.shape[0])

  codec = Codec(
    name=name,
    spatial=entry.spatial,
    grouping=grouping,
    channels=entry.channels,
    scaling=entry.scaling,
    encode=encode,
    decode=decode,
    make=make,
    load=lambda: load_weights(weights, make().shapes()) if weights else {},
    coupled=grouping.unit_frames > 1 and not grouping.chunked,
    frames_at_once=frames_at_once,
  )
  return codec


def _need(name: str, entry: Published, params: Any) -> None:
  if not params:
    raise InputError(
      f"config: codecs: {name} has no weights; set codecs.context.weights or"
      f" codecs.target.weights to the folder that scenetok convert --codec"
      f" {name} makes from {entry.file} ({entry.source}), or use the"
      " configuration's variant :embedded, which needs none"
    )
