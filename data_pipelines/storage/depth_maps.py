"""Depth maps <-> PNG files of 16 bits, millimetres."""

import io

import numpy as np
from PIL import Image

from scenetok_jax.reading.images import open_image
from scenetok_jax.types import InputError

DEPTH = "frame_depth"  # files of records, beside those of frames
UNIT = 0.001  # metres
_MOST = 65535


def encode_depth(depth: np.ndarray) -> bytes:
  """float32 [H, W] metres -> PNG; 0 where it is not finite or too far."""
  steps = np.round(np.asarray(depth, np.float64) / UNIT)
  known = np.isfinite(steps) & (steps > 0) & (steps <= _MOST)
  buffer = io.BytesIO()
  picture = Image.fromarray(np.where(known, steps, 0).astype(np.uint16))
  picture.save(buffer, "PNG", compress_level=3)
  return buffer.getvalue()


def decode_depth(data: bytes, where: str) -> np.ndarray:
  """PNG -> float32 [H, W] metres, 0 where unknown; `where` is for errors."""
  try:
    with open_image(data) as picture:
      return np.asarray(picture, np.float32) * np.float32(UNIT)
  except Exception as error:  # PIL raises many types on damage
    raise InputError(
      f"{where}: cannot be decoded ({error}); prepare the data again"
    ) from error
