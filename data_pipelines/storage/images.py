"""Frames of prepared data <-> JPEG or PNG bytes."""

import io

import numpy as np
from PIL import Image

from scenetok_jax.reading.pictures import Picture, read_picture
from scenetok_jax.types import InputError

FORMATS = ("jpeg", "png")
_JPEG_QUALITY = 95  # ours: about 1 grey level of error at 64x64


def encode_image(image: np.ndarray, image_format: str = "jpeg") -> bytes:
  """RGB uint8 [H, W, 3] -> file bytes; the same bytes every time.

  JPEG keeps full-resolution colour (4:4:4): small frames lose visibly
  otherwise. PNG is lossless, about twice as large and slower to read.
  """
  if image_format not in FORMATS:
    raise InputError(
      f"image format {image_format!r} is unknown; use one of {FORMATS}"
    )
  buffer = io.BytesIO()
  picture = Image.fromarray(np.ascontiguousarray(image, np.uint8), "RGB")
  if image_format == "jpeg":
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
  else:
    picture.save(buffer, "PNG", compress_level=6)
  return buffer.getvalue()


def decode_image(data: bytes, where: str) -> np.ndarray:
  """File bytes -> RGB uint8 [H, W, 3]; `where` names the origin in errors."""
  return decode_picture(data, where).pixels


def decode_picture(data: bytes, where: str) -> Picture:
  """File bytes -> upright pixels, with what a report should tell of them."""
  if not data:
    raise InputError(
      f"{where}: image is empty (0 bytes); replace it or remove its frame"
    )
  try:
    return read_picture(data)
  # PIL raises many types on damage: OSError, SyntaxError, struct.error, ...
  except Exception as error:
    raise InputError(
      f"{where}: image cannot be decoded ({error}); replace the image or"
      " remove its frame"
    ) from error
