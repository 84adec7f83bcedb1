"""Reads `.torch` chunks of posed video without torch, and without running code.

A chunk is a zip file that torch.save writes: a pickle `data.pkl` of plain
containers, and one stored (uncompressed) member per tensor. The pickle may
name tensors only; opening a chunk reads the pickle, and each tensor is read
when it is asked for, so one scene of a chunk costs its own bytes.
"""

import collections
import dataclasses
import io
import math
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.reading.pickles import check_pickle
from scenetok_jax.types import InputError

# A pickle names tensors, it does not hold them: real ones are below 1 MB.
_MAX_PICKLE = 256 << 20
# Zip local file header: signature, lengths of the name and of the extra field.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DTYPES = {
  "DoubleStorage": "<f8",
  "FloatStorage": "<f4",
  "HalfStorage": "<f2",
  "LongStorage": "<i8",
  "IntStorage": "<i4",
  "ShortStorage": "<i2",
  "CharStorage": "i1",
  "ByteStorage": "u1",
  "BoolStorage": "?",
}


@dataclasses.dataclass(frozen=True)
class LazyTensor:
  """A contiguous tensor of a chunk; `read()` gives its array.

  offset: first element in its storage, whose zip member is `member`.
  """

  chunk: "Chunk"
  member: str
  dtype: np.dtype
  offset: int
  shape: tuple[int, ...]

  @property
  def nbytes(self) -> int:
    """Bytes of the array."""
    return math.prod(self.shape) * self.dtype.itemsize

  def read(self) -> np.ndarray:
    """The tensor, read from the file now."""
    start = self.offset * self.dtype.itemsize
    data = self.chunk.read_member(self.member, start, self.nbytes)
    return np.frombuffer(data, self.dtype).reshape(self.shape)


class Chunk:
  """One `.torch` file; `content` is its object with LazyTensor leaves."""

  def __init__(self, path: str | os.PathLike):
    self.path = Path(path)
    self._size = 0
    try:
      self._size = self.path.stat().st_size
      with zipfile.ZipFile(self.path) as archive:
        self._members = {item.filename: item for item in archive.infolist()}
        pickled = self._find_pickle()
        self._prefix = pickled.filename.removesuffix("data.pkl")
        data = archive.read(pickled)
        order = f"{self._prefix}byteorder"
        if order in self._members and archive.read(order) != b"little":
          raise self._error("byteorder: not little-endian")
    except FileNotFoundError:
      raise InputError(
        f"{self.path}: no such chunk; fetch it again or correct index.json"
      ) from None
    except (OSError, zipfile.BadZipFile, EOFError, ValueError) as error:
      if isinstance(error, InputError):  # it is a ValueError too
        raise
      raise self._error(f"not a whole torch file ({error})") from None
    self.content = self._unpickle(data)

  def read_member(self, name: str, start: int, count: int) -> bytes:
    """Bytes [start, start + count) of a stored member; its CRC if whole."""
    item = self._members.get(name)
    if item is None:
      raise self._error(f"tensor {name} is missing")
    if item.compress_type != zipfile.ZIP_STORED:
      raise self._error(f"tensor {name} is compressed, torch never does that")
    if start < 0 or start + count > item.file_size:
      raise self._error(f"tensor {name} is shorter than its shape says")
    try:
      with self.path.open("rb") as file:
        file.seek(item.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        magic, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        file.seek(name_length + extra_length + start, os.SEEK_CUR)
        data = file.read(count)
    except (OSError, struct.error) as error:
      raise self._error(f"tensor {name} is damaged ({error})") from None
    if magic != b"PK\3\4" or len(data) != count:
      raise self._error(f"tensor {name} is cut short")
    if count == item.file_size and zlib.crc32(data) != item.CRC:
      raise self._error(f"tensor {name} is damaged (its checksum differs)")
    return data

  def _find_pickle(self) -> zipfile.ZipInfo:
    found = [m for n, m in self._members.items() if n.endswith("/data.pkl")]
    if len(found) != 1:
      raise self._error("no data.pkl in it, or several")
    if found[0].file_size > min(_MAX_PICKLE, self._size):
      raise self._error(f"data.pkl claims {found[0].file_size} bytes")
    return found[0]

  def _unpickle(self, data: bytes) -> Any:
    try:
      check_pickle(data)
      return _Unpickler(self, data).load()
    except InputError:
      raise
    # Damaged pickles raise nearly anything: KeyError, IndexError, ...
    except Exception as error:
      raise self._error(f"data.pkl cannot be read ({error!r})") from None

  def storage(self, key: str) -> str:
    """Name of the member that holds a storage."""
    return f"{self._prefix}data/{key}"

  def _error(self, problem: str) -> InputError:
    return InputError(f"{self.path}: {problem}; fetch the chunk again")


class _Unpickler(pickle.Unpickler):
  """Unpickles containers and tensors; everything else is refused."""

  def __init__(self, chunk: Chunk, data: bytes):
    super().__init__(io.BytesIO(data), encoding="utf-8")
    self._chunk = chunk

  def find_class(self, module: str, name: str) -> Any:
    """The few names that a file of tensors needs."""
    if (module, name) == ("collections", "OrderedDict"):
      return collections.OrderedDict
    if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
      return self._rebuild
    if module == "torch" and name in _DTYPES:
      return np.dtype(_DTYPES[name])
    raise InputError(
      f"{self._chunk.path}: refused: unpickling it would call {module}.{name},"
      " which is not needed for tensors; have it saved again as lists of"
      " tensors"
    )

  def persistent_load(self, pid: Any) -> tuple[str, np.dtype]:
    """A storage: its member's name and its dtype."""
    kind, dtype, key = pid[0], pid[1], pid[2]
    if kind != "storage" or not isinstance(dtype, np.dtype):
      raise ValueError(f"unknown storage {kind!r}")
    return self._chunk.storage(str(key)), dtype

  def _rebuild(self, storage, offset, shape, stride, *_: Any) -> LazyTensor:
    member, dtype = storage
    shape = tuple(int(n) for n in shape)
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    strides = zip(shape, stride, steps, strict=True)
    if any(n > 1 and s != t for n, s, t in strides):
      raise InputError(
        f"{self._chunk.path}: a tensor is not contiguous; save the chunk with"
        " .contiguous() of every tensor"
      )
    if any(n < 0 for n in shape):
      raise ValueError("a tensor has a negative size")
    return LazyTensor(self._chunk, member, dtype, int(offset), shape)
