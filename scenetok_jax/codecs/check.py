"""Round trips of videos on the host, in parts that bound the memory."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.codecs.codec import Codec
from scenetok_jax.io import to_uint8, to_unit
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.types import Array, InputError


def finite_frames(values: Array) -> Array:
  """Frames or latents [... h w C] -> bool [...], False for NaN and Inf."""
  return jnp.isfinite(values).all(axis=(-3, -2, -1))


class RoundTrip:
  """A codec, compiled, for uint8 videos of any length.

  Videos are cut where their frames do not see each other, into parts of about
  codec.frames_at_once frames; all parts share one compilation. A codec that
  couples all frames encodes the whole video and decodes it part by part.
  """

  def __init__(self, codec: Codec, params: Any = None) -> None:
    """params: of the codec, default its own."""
    self._codec = codec
    self._params = codec.params if params is None else params
    options = quick_compile_options(jax.default_backend())
    jit = functools.partial(jax.jit, compiler_options=options)
    self._encode = jit(lambda p, x: codec.encode(p, to_unit(x), None))
    self._shown = jit(_shown)

    @jit
    def both(p: Any, x: Array) -> tuple[Array, Array]:
      latents = codec.encode(p, to_unit(x), None)
      return _shown(codec.decode(p, latents), latents)

    self._both = both

  def __call__(self, images: np.ndarray) -> np.ndarray:
    """uint8 [T H W 3] -> the decoded frames, uint8 [t H W 3].

    t is less than T where frames fill no latent (they are left out), or where
    the codec itself decodes fewer. A single frame is coded as a picture.
    InputError for several frames that do not fill a latent, or a size that the
    codec's factor does not divide, or where something becomes NaN or Inf.
    """
    return np.concatenate(list(self.parts(images)))

  def parts(self, images: np.ndarray) -> Iterator[np.ndarray]:
    """The same, as consecutive parts [t H W 3]."""
    codec, unit = self._codec, self._codec.grouping.unit_frames
    kept = self.kept(images)
    done = 0
    if codec.coupled:
      latents = self._encode(self._params, images[None, :kept])
      for part in codec.decode_parts(self._params, latents):
        yield self._checked(self._shown(part, latents), done)
        done += part.shape[1]
      return
    step = min(kept, unit * max(1, codec.frames_at_once // unit))
    for start in range(0, kept, step):
      part = images[start : min(start + step, kept)]
      # One shape, one compilation: the last part repeats its last frame.
      padding = [(0, step - len(part)), (0, 0), (0, 0), (0, 0)]
      filled = np.pad(part, padding, mode="edge")
      shown = self._both(self._params, filled[None])
      yield self._checked(shown, start)[: len(part)]

  def _checked(self, shown: tuple[Array, Array], first: int) -> np.ndarray:
    """The one video of _shown; first: number of its first frame."""
    images, finite = shown
    if not finite:
      last = first + images.shape[1] - 1
      raise InputError(
        f"images: frames {first} to {last}: what the {self._codec.name} codec"
        " makes of them is NaN or Inf; use float32, or convert its weights"
        " again"
      )
    return np.asarray(images)[0]

  def kept(self, images: np.ndarray) -> int:
    """How many of the frames [T H W 3] are coded; raises as __call__."""
    codec, unit = self._codec, self._codec.grouping.unit_frames
    picture = len(images) == 1 and codec.make is not None
    kept = 1 if picture else len(images) // unit * unit
    if not kept:
      raise InputError(
        f"images: {len(images)} frames do not fill a latent of the"
        f" {codec.name} codec; give {unit} or more"
      )
    codec.check_images((1, kept, *images.shape[1:]))
    return kept


def _shown(images: Array, latents: Array) -> tuple[Array, Array]:
  """uint8 frames, and whether all is finite: bytes would not show it."""
  # Both: a codec clips what is infinite.
  finite = finite_frames(images).all() & finite_frames(latents).all()
  return to_uint8(images), finite
