"""Which video frames a latent covers: index arithmetic on the host.

Two groupings exist. Plain: latent l covers frames t*l .. t*l + t-1 (t frames
per latent; VideoDC-AE). Chunked: chunks of 5 latents cover 17 frames, the
first latent of a chunk one frame, each other t = 4 (Wan 2.2 VAE). Indices may
be ints or integer arrays.
"""

import numpy as np

from scenetok_jax.types import InputError

CHUNK_LATENTS = 5  # release: the Wan VAE encodes clips of 17 frames

Index = int | np.ndarray


def chunk_frames(
  frames_per_latent: int, chunk_latents: int = CHUNK_LATENTS
) -> int:
  """Frames in a chunk: one for the first latent, t for each other."""
  return frames_per_latent * (chunk_latents - 1) + 1


def num_latents(frames: int, frames_per_latent: int, chunked: bool) -> int:
  """Latents that a clip yields; frames that fill no latent are dropped."""
  if chunked:
    return frames // chunk_frames(frames_per_latent) * CHUNK_LATENTS
  return frames // frames_per_latent


def num_frames(latents: int, frames_per_latent: int, chunked: bool) -> int:
  """Frames that `latents` whole latents (or whole chunks) cover."""
  if not chunked:
    return latents * frames_per_latent
  if latents % CHUNK_LATENTS:
    raise InputError(
      f"{latents} latents do not fill chunks of {CHUNK_LATENTS}; use a multiple"
    )
  return latents // CHUNK_LATENTS * chunk_frames(frames_per_latent)


def latent_to_frame(
  latent: Index,
  frames_per_latent: int,
  chunked: bool = False,
  *,
  chunk_latents: int = CHUNK_LATENTS,
  offset: int = 1,
) -> Index:
  """First frame that a latent covers.

  Args:
    latent: index or array of indices.
    frames_per_latent: t.
    chunked: the rule of 17 frames in 5 latents.
    chunk_latents: latents in a chunk.
    offset: 1 if the first latent of a chunk covers one frame; 0 if the last
      one does (only checked against the release, never used).
  """
  if not chunked:
    return latent * frames_per_latent
  chunk, inside = latent // chunk_latents, latent % chunk_latents
  missing = chunk + offset * np.sign(inside)
  return frames_per_latent * latent - (frames_per_latent - 1) * missing


def frame_to_latent(
  frame: Index,
  frames_per_latent: int,
  chunked: bool = False,
  *,
  chunk_latents: int = CHUNK_LATENTS,
) -> Index:
  """Latent that covers a frame."""
  if not chunked:
    return frame // frames_per_latent
  span = chunk_frames(frames_per_latent, chunk_latents)
  inside = (frame % span + frames_per_latent - 1) // frames_per_latent
  return chunk_latents * (frame // span) + inside


def frame_span(
  start: int, stop: int, frames_per_latent: int, chunked: bool = False
) -> tuple[int, int]:
  """Frames [first, end) covered by latents [start, stop)."""
  first = latent_to_frame(start, frames_per_latent, chunked)
  return int(first), int(latent_to_frame(stop, frames_per_latent, chunked))
