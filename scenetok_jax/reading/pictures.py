"""Pixels of pictures: the one rule by which any file becomes 8-bit RGB.

16-bit grey is divided by 257, floats are shares of white, what is transparent
lies on white, orientation tags are applied; what has no such meaning is
refused.
"""

import dataclasses
import io
import os
from typing import IO

import numpy as np
from PIL import Image

from scenetok_jax.reading import files, orientation
from scenetok_jax.reading.images import open_image
from scenetok_jax.reading.png import check_png

_ORIENTATION = 0x0112
# A JPEG's other pictures are gain maps and previews of the first.
_PAGED = ("TIFF", "GIF", "WEBP", "PNG")
TRANSPARENT = "transparent in places: laid on white"
PAGED = "holds more than one picture: the first is read"


@dataclasses.dataclass(frozen=True)
class Header:
  """size: (width, height) of the pixels as stored. tag: see orientation."""

  size: tuple[int, int]
  tag: int = orientation.UPRIGHT

  @property
  def shown(self) -> tuple[int, int]:
    """(width, height) of the upright picture."""
    return orientation.shown_size(self.size, self.tag)


@dataclasses.dataclass(frozen=True)
class Picture:
  """pixels: uint8 RGB [H W 3], upright. notes: what a report should tell."""

  pixels: np.ndarray
  header: Header
  notes: tuple[str, ...] = ()

  @property
  def stored(self) -> np.ndarray:
    """The pixels as the file has them, before its tag was applied."""
    return orientation.undo(self.pixels, self.header.tag)


def read_header(source: str | os.PathLike | bytes) -> Header:
  """Size and orientation; errors as of open_image."""
  with open_image(source) as picture:
    return _header(picture)


def read_picture(source: str | os.PathLike | bytes) -> Picture:
  """A file, or its bytes, as upright 8-bit RGB.

  ValueError for values without a meaning, else errors as of open_image.
  """
  with open_image(source) as picture:
    with _opened(source) as file:
      check_png(file)
    header = _header(picture)
    paged = picture.format in _PAGED and getattr(picture, "n_frames", 1) > 1
    upright = picture.format == "TIFF"  # Pillow turns these alone
    pixels, notes = to_rgb(picture)
  pixels = pixels if upright else orientation.apply(pixels, header.tag)
  notes += (PAGED,) if paged else ()
  return Picture(np.ascontiguousarray(pixels), header, notes)


def _opened(source: str | os.PathLike | bytes) -> IO[bytes]:
  if isinstance(source, bytes):
    return io.BytesIO(source)
  return files.open_file(source)


def to_rgb(picture: Image.Image) -> tuple[np.ndarray, tuple[str, ...]]:
  """uint8 [H W 3] of a picture of any mode, and notes.

  ValueError for floats beyond 0 to 1, and for integers of 32 bits.
  """
  if picture.mode == "F" or picture.mode.startswith("I"):
    grey = _grey(picture)
    return np.repeat(grey[..., None], 3, axis=-1), ()
  if not picture.has_transparency_data:
    return np.array(picture.convert("RGB")), ()
  layer = picture.convert("RGBA")
  if layer.getchannel("A").getextrema() == (255, 255):
    return np.array(layer.convert("RGB")), ()
  white = Image.new("RGBA", layer.size, "white")
  whole = Image.alpha_composite(white, layer)
  return np.array(whole.convert("RGB")), (TRANSPARENT,)


def _grey(picture: Image.Image) -> np.ndarray:
  """Grey levels of more than 8 bits [H W] as uint8."""
  if picture.mode == "F":
    shares = np.asarray(picture, np.float32)
    if not (shares.min() >= 0 and shares.max() <= 1):  # NaN is neither
      raise ValueError(
        f"its floats are {shares.min():.6g} to {shares.max():.6g}, not shares"
        " of white from 0 to 1: scale them, or store 16 bits"
      )
    return np.round(shares * 255).astype(np.uint8)
  levels = np.asarray(picture).astype(np.int64)
  wide = picture.mode == "I" and picture.format != "PNG"
  if wide or levels.min() < 0 or levels.max() > 65535:
    raise ValueError(
      f"its levels are integers of 32 bits ({levels.min()} to"
      f" {levels.max()}), which say nothing of white: store 8 or 16 bits"
    )
  return ((levels + 128) // 257).astype(np.uint8)


def _header(picture: Image.Image) -> Header:
  tag = _tag(picture)
  size = picture.size
  if picture.format == "TIFF":  # whose size Pillow gives as it is shown
    size = orientation.shown_size(size, tag)
  return Header(size, tag)


def _tag(picture: Image.Image) -> int:
  try:
    return orientation.known(picture.getexif().get(_ORIENTATION))
  except Exception:  # damaged EXIF data hides no pixel
    return orientation.UPRIGHT
