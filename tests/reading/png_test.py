"""PNG files: a bit that changed where pixels are is noticed."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from scenetok_jax.reading.pictures import read_picture
from scenetok_jax.reading.png import check_png


def _png(**how):
  noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
  buffer = io.BytesIO()
  Image.fromarray(noise).save(buffer, "PNG", **how)
  return buffer.getvalue()


def test_no_flipped_bit_of_pixels_passes():
  data = _png()
  assert read_picture(data).pixels.shape == (24, 24, 3)
  start, end = data.index(b"IDAT"), data.rindex(b"IEND") - 8
  for place in np.random.default_rng(1).integers(start, end, 40):
    flipped = bytearray(data)
    flipped[place] ^= 4
    with pytest.raises(Exception, match=r"checksum differs|truncated"):
      read_picture(bytes(flipped))


def test_a_file_that_ends_early_is_truncated():
  data = _png()
  for end in (20, len(data) // 2, len(data) - 5):
    with pytest.raises(ValueError, match="truncated"):
      check_png(io.BytesIO(data[:end]))


def test_other_chunks_and_other_files_pass():
  notes = PngImagePlugin.PngInfo()
  notes.add_text("note", "x" * 50)
  data = bytearray(_png(pnginfo=notes))
  data[data.index(b"xxxxx")] ^= 1
  check_png(io.BytesIO(data + b"more"))
  check_png(io.BytesIO(b"GIF89a"))
