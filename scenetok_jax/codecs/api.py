"""Codec: frozen functions between pixels and normalised latents."""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs import block_dct
from scenetok_jax.codecs.network import Network, map_clips
from scenetok_jax.codecs.published import Published, Scaling, published
from scenetok_jax.codecs.weights import load_weights, read_manifest
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError

FRAMES_AT_ONCE = 8  # held by one device while it encodes or decodes


@dataclasses.dataclass(frozen=True)
class Codec:
  """A frozen autoencoder as a struct of pure functions.

  name: what the configuration calls it.
  spatial: pixels per latent cell, per side.
  grouping: how frames share latents.
  channels: channels of a latent.
  scaling: from the network's latents to normalised ones.
  encode: (params, images [B T H W 3] in [0, 1], key or None) ->
    normalised latents [B L h w C]; without a key the posterior's mean.
  decode: (params, latents [B L h w C]) -> images [B T H W 3] in [0, 1].
  make: () -> the published network itself; None for the block DCT.
  load: () -> the frozen arrays, {} when there are none.
  coupled: whether all frames of a clip see each other.
  frames_at_once: frames that one device works on together.
  """

  name: str
  spatial: int
  grouping: Grouping
  channels: int
  scaling: Scaling
  encode: Callable[[Any, Array, Array | None], Array]
  decode: Callable[[Any, Array], Array]
  make: Callable[[], Network] | None = None
  load: Callable[[], Any] = dict
  coupled: bool = False
  frames_at_once: int = FRAMES_AT_ONCE

  @functools.cached_property
  def params(self) -> Any:
    """The frozen arrays, read when first asked for.

    Hand them to a jitted function as an argument: closed over, they would be
    copied into the program.
    """
    with jax.ensure_compile_time_eval():
      return jax.tree.map(jnp.asarray, self.load())

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
    return self.grouping.frames(latents)

  def latents(self, frames: int) -> int:
    """Whole latents in `frames` frames; the rest is dropped."""
    return self.grouping.latents(frames)

  def round_trip(self, images: Array, params: Any = None) -> Array:
    """images [B T H W 3] -> decode(encode(images)): the codec's ceiling."""
    params = self.params if params is None else params
    return self.decode(params, self.encode(params, images, None))

  def decode_parts(self, params: Any, latents: Array) -> Iterator[Array]:
    """Consecutive parts [B t H W 3] of what `decode` returns, on the host.

    A video of any length can be written as it comes: one part is in memory.
    Parts have at most frames_at_once frames; 17 of a chunked codec; a tile,
    32, of the Video DC-AE, which holds two of them.
    """
    parts = self.make().parts if self.make else None
    if parts:
      restored = self.scaling.restore(jnp.asarray(latents, jnp.float32))
      yield from map(_unit_range, parts(params, restored))
      return
    grouping = self.grouping
    size = grouping.unit_latents if grouping.chunked else self.frames_at_once
    decode = jax.jit(self.decode)
    for start in range(0, latents.shape[1], size):
      yield decode(params, latents[:, start : start + size])


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
    name: block_dct, va_vae, video_dc_ae or wan_vae.
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
  if name == "block_dct":
    grouping = Grouping(frames_per_latent or 1, bool(chunked))
    return _block_dct(spatial, channels, grouping, **options)
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
    module = importlib.import_module(f"scenetok_jax.codecs.{name}")
    return module.network(dtype=jnp.dtype(dtype or "float32"), **fields)

  return _published(
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
  return {
    key: tuple(value) if isinstance(value, list) else value
    for key, value in manifest.fields.items()
  }


def _published(
  name: str,
  entry: Published,
  make: Callable[[], Network],
  weights: str | None,
  frames_at_once: int,
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
    check_images(name, entry, images.shape)
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
      lambda x: _unit_range(make().decode(params, x)),
      clips(entry.scaling.restore(jnp.asarray(latents, jnp.float32)), size),
      at_once(size * entry.grouping.frames_per_latent),
    )
    return joined(images, latents.shape[0])

  return Codec(
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


@jax.jit
def _unit_range(images: Array) -> jax.Array:
  """About [-1, 1] -> [0, 1]."""
  return jnp.clip(images / 2.0 + 0.5, 0.0, 1.0)


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


def check_images(
  name: str, entry: "Published | Codec", shape: tuple[int, ...]
) -> None:
  """InputError where images [B T H W 3] do not fit a codec.

  A single frame always fits; longer clips must fill whole latents.
  """
  frames, *size = shape[1:4]
  if any(n % entry.spatial for n in size):
    raise InputError(
      f"images: {size[0]} x {size[1]} pixels are not multiples of the {name}"
      f" codec's factor {entry.spatial}; resize or crop them"
    )
  unit = entry.grouping.unit_frames
  if frames != 1 and frames % unit:
    raise InputError(
      f"images: a clip of {frames} frames does not fill groups of {unit}, as"
      f" the {name} codec needs; give {frames // unit * unit or unit}"
    )


def _block_dct(
  spatial: int | None,
  channels: int | None,
  grouping: Grouping,
  **options: Any,
) -> Codec:
  if spatial is None or channels is None:
    raise InputError(
      "config: codecs: block_dct needs the fields spatial and channels"
    )
  spec = block_dct.BlockDct(spatial, channels, grouping, **options)
  return Codec(
    name="block_dct",
    spatial=spatial,
    grouping=grouping,
    channels=channels,
    scaling=Scaling(),
    encode=lambda params, images, key: block_dct.encode(spec, images),
    decode=lambda params, latents: jnp.clip(
      block_dct.decode(spec, latents), 0.0, 1.0
    ),
  )
