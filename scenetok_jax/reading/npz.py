"""Arrays of .npz files: none that claims more than its file holds."""

import io
import math
import os
import zipfile
from typing import Any

import numpy as np

_MAX_BYTES = 8 << 30  # of an array, decompressed
_HEADERS: dict[tuple[int, int], Any] = {
  (1, 0): np.lib.format.read_array_header_1_0,
  (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(source: str | os.PathLike | bytes) -> dict[str, np.ndarray]:
  """All arrays of a file, or of its bytes, by name.

  ValueError for whatever is no whole file of plain arrays; OSError where there
  is no such file. NumPy itself would take a header's word for the memory.
  """
  file = io.BytesIO(source) if isinstance(source, bytes) else source
  try:
    with zipfile.ZipFile(file) as archive:
      return {
        item.filename.removesuffix(".npy"): _array(archive, item)
        for item in archive.infolist()
      }
  except OSError:
    raise
  except Exception as error:  # damage raises nearly anything
    raise ValueError(f"damaged: {error}") from None


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> np.ndarray:
  if item.file_size > _MAX_BYTES:
    raise ValueError(f"{item.filename} claims {item.file_size:,} bytes")
  data = archive.read(item)
  file = io.BytesIO(data)
  header = _HEADERS[np.lib.format.read_magic(file)]
  shape, fortran, dtype = header(file)
  count, left = math.prod(shape), len(data) - file.tell()
  if (
    dtype.hasobject
    or count * dtype.itemsize != left
    or min(shape, default=0) < 0
  ):
    raise ValueError(f"{item.filename}: {dtype} {shape} in {left} bytes")
  values = np.frombuffer(data, dtype, count, file.tell())
  return values.reshape(shape, order="F" if fortran else "C").copy()
