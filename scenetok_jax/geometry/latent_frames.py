"""Which video frames a latent covers: index arithmetic on the host."""

import dataclasses
import math

import einops
import numpy as np

from scenetok_jax.types import Array, InputError

CHUNK = 17  # frames that the release's Wan VAE encodes together

Index = int | np.ndarray


@dataclasses.dataclass(frozen=True)
class Grouping:
  """How the frames of a clip share latents; indices are ints or arrays.

  frames_per_latent: t. Plain: latent l covers frames t*l .. t*l + t-1
    (VideoDC-AE).
  chunked: frames come in chunks of 17, whatever t is. t - 1 empty frames
    follow the first of each chunk, then t consecutive ones share a latent
    (Wan 2.2 VAE, t = 4: 5 latents a chunk, the first of one frame). Where t
    does not divide 16 a latent may span two chunks.
  """

  frames_per_latent: int = 1
  chunked: bool = False

  @property
  def unit_frames(self) -> int:
    """Fewest frames that fill whole latents: a latent's, or whole chunks."""
    t = self.frames_per_latent
    return CHUNK * (t // math.gcd(t, CHUNK - 1)) if self.chunked else t

  @property
  def unit_latents(self) -> int:
    """Latents that unit_frames fill."""
    return int(self.frame_to_latent(self.unit_frames))

  def latents(self, frames: int) -> int:
    """Latents that a clip yields; frames that fill no latent are dropped."""
    return frames // self.unit_frames * self.unit_latents

  def frames(self, latents: int) -> int:
    """Frames that `latents` whole latents (or whole chunks) cover."""
    if latents % self.unit_latents:
      raise InputError(
        f"{latents} latents do not fill chunks of {self.unit_latents}; use a"
        " multiple"
      )
    return latents // self.unit_latents * self.unit_frames

  def latent_to_frame(self, latent: Index) -> Index:
    """First frame that a latent covers."""
    t = self.frames_per_latent
    if not self.chunked:
      return latent * t
    chunk, inside = np.divmod(latent * t, CHUNK + t - 1)
    # After the first frame of a chunk the next one follows t - 1 empty ones.
    return CHUNK * chunk + np.maximum(inside - (t - 1), np.sign(inside))

  def frame_to_latent(self, frame: Index) -> Index:
    """Latent that a frame belongs to."""
    t = self.frames_per_latent
    if not self.chunked:
      return frame // t
    chunk, inside = np.divmod(frame, CHUNK)
    return (chunk * (CHUNK + t - 1) + inside + (t - 1) * np.sign(inside)) // t

  def span(self, start: int, stop: int) -> tuple[int, int]:
    """Frames [first, end) covered by latents [start, stop)."""
    return int(self.latent_to_frame(start)), int(self.latent_to_frame(stop))

  def shares(self, latents: int, parts: int) -> np.ndarray:
    """Frames [latents parts]: those of a latent, shared out in order."""
    index = np.arange(latents)
    first, end = self.latent_to_frame(index), self.latent_to_frame(index + 1)
    count = np.asarray(end - first)[:, None]
    return np.asarray(first)[:, None] + count * np.arange(parts) // parts

  def group(self, rays: Array) -> Array:
    """Rays [B T h w R] of frames -> of latents [B L h w (t R)].

    Empty frames are zero maps: with t = 4, latent 0 of a chunk sees [f0 0 0 0],
    latent 1 [f1 .. f4]. InputError for frames that do not fill whole latents or
    chunks.
    """
    xp, t = rays.__array_namespace__(), self.frames_per_latent
    frames, unit = rays.shape[1], self.unit_frames
    if frames == 0 or frames % unit:
      raise InputError(
        f"{frames} frames do not divide into groups of {unit}; trim the clip"
        f" to a multiple of {unit} frames"
      )
    if self.chunked:
      rays = einops.rearrange(rays, "b (n s) h w r -> b n s h w r", s=CHUNK)
      first, rest = rays[:, :, :1], rays[:, :, 1:]
      empty = [xp.zeros_like(first)] * (t - 1)
      rays = xp.concat([first, *empty, rest], axis=2)
      rays = einops.rearrange(rays, "b n s h w r -> b (n s) h w r")
    return einops.rearrange(rays, "b (l t) h w r -> b l h w (t r)", t=t)
