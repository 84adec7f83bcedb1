"""Which video frames a latent covers: index arithmetic on the host."""

import dataclasses

import einops
import numpy as np

from scenetok_jax.types import Array, InputError

CHUNK_LATENTS = 5  # release: the Wan VAE encodes clips of 17 frames

Index = int | np.ndarray


@dataclasses.dataclass(frozen=True)
class Grouping:
  """How the frames of a clip share latents; indices are ints or arrays.

  frames_per_latent: t. Plain: latent l covers frames t*l .. t*l + t-1
    (VideoDC-AE).
  chunked: chunks of 5 latents cover 17 frames (t = 4), the first latent of a
    chunk one frame, each other t (Wan 2.2 VAE).
  chunk_latents: latents in a chunk.
  """

  frames_per_latent: int = 1
  chunked: bool = False
  chunk_latents: int = CHUNK_LATENTS

  @property
  def chunk_frames(self) -> int:
    """Frames in a chunk: one for the first latent, t for each other."""
    return self.frames_per_latent * (self.chunk_latents - 1) + 1

  @property
  def unit_frames(self) -> int:
    """Fewest frames that fill whole latents: a chunk's, or a latent's."""
    return self.chunk_frames if self.chunked else self.frames_per_latent

  @property
  def unit_latents(self) -> int:
    """Latents that unit_frames fill."""
    return self.chunk_latents if self.chunked else 1

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
    chunk, inside = latent // self.chunk_latents, latent % self.chunk_latents
    return t * latent - (t - 1) * (chunk + np.sign(inside))

  def frame_to_latent(self, frame: Index) -> Index:
    """Latent that a frame belongs to."""
    t = self.frames_per_latent
    if not self.chunked:
      return frame // t
    inside = (frame % self.chunk_frames + t - 1) // t
    return self.chunk_latents * (frame // self.chunk_frames) + inside

  def span(self, start: int, stop: int) -> tuple[int, int]:
    """Frames [first, end) covered by latents [start, stop)."""
    return int(self.latent_to_frame(start)), int(self.latent_to_frame(stop))

  def group(self, rays: Array) -> Array:
    """Stacks the rays of the frames that share a latent.

    In each chunk t - 1 zero maps follow the first frame, so that latent 0
    sees [f0 0 0 0], latent 1 [f1 .. f4].

    Args:
      rays: [B T h w R], one map per frame.

    Returns:
      [B L h w t*R], channel = frame_in_group * R + r.

    Raises:
      InputError: frames that do not fill whole latents or chunks.
    """
    xp, t = rays.__array_namespace__(), self.frames_per_latent
    frames, unit = rays.shape[1], self.unit_frames
    if frames == 0 or frames % unit:
      raise InputError(
        f"{frames} frames do not divide into groups of {unit}; trim the clip"
        f" to a multiple of {unit} frames"
      )
    if self.chunked:
      rays = einops.rearrange(rays, "b (n s) h w r -> b n s h w r", s=unit)
      first, rest = rays[:, :, :1], rays[:, :, 1:]
      empty = xp.zeros_like(rest[:, :, : t - 1])
      rays = xp.concat([first, empty, rest], axis=2)
      rays = einops.rearrange(rays, "b n s h w r -> b (n s) h w r")
    return einops.rearrange(rays, "b (l t) h w r -> b l h w (t r)", t=t)
