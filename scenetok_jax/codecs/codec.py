"""Codec: frozen functions between pixels and normalised latents."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.codecs.network import Network, Scaling
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
    """Latent (h, w) of square images; InputError where cells do not fit."""
    if size % self.spatial:
      raise InputError(
        f"data.image_size: {size} is not a multiple of the {self.name} "
        f"codec's spatial factor {self.spatial}; choose another size"
      )
    return size // self.spatial, size // self.spatial

  def check_images(self, shape: tuple[int, ...]) -> None:
    """InputError where images [B T H W 3] do not fit.

    A single frame always fits; longer clips must fill whole latents.
    """
    frames, *size = shape[1:4]
    if any(n % self.spatial for n in size):
      raise InputError(
        f"images: {size[0]} x {size[1]} pixels are not multiples of the"
        f" {self.name} codec's factor {self.spatial}; resize or crop them"
      )
    unit = self.grouping.unit_frames
    if frames != 1 and frames % unit:
      raise InputError(
        f"images: a clip of {frames} frames does not fill groups of {unit}, as"
        f" the {self.name} codec needs; give {frames // unit * unit or unit}"
      )

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
      yield from map(unit_range, parts(params, restored))
      return
    grouping = self.grouping
    size = grouping.unit_latents if grouping.chunked else self.frames_at_once
    decode = jax.jit(self.decode)
    for start in range(0, latents.shape[1], size):
      yield decode(params, latents[:, start : start + size])


@jax.jit
def unit_range(images: Array) -> jax.Array:
  """About [-1, 1] -> [0, 1]."""
  return jnp.clip(images / 2.0 + 0.5, 0.0, 1.0)
