"""Bytes of files: regular ones alone, up to a size."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import IO, Any


def open_file(path: str | os.PathLike) -> IO[bytes]:
  """A regular file, or a bucket's object (io.locate), open for reading.

  OSError where it is none: a FIFO or a device would keep the reader for ever.
  """
  if not isinstance(path, str | Path):  # a bucket has only objects
    found: Any = path
    return io.BytesIO(found.read_bytes())
  if "\0" in os.fspath(path):
    raise OSError(errno.EINVAL, "its name holds NUL", "")
  # Without O_NONBLOCK, opening a FIFO waits for a writer.
  number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
  mode = os.fstat(number).st_mode
  if not stat.S_ISREG(mode):
    os.close(number)
    problem = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    raise OSError(errno.EINVAL, problem, os.fspath(path))
  return os.fdopen(number, "rb")


def read_bytes(path: str | os.PathLike, limit: int) -> bytes:
  """A file's bytes; OSError where it is no regular file, or holds more."""
  with open_file(path) as file:
    data = file.read(limit + 1)
  if len(data) > limit:
    problem = f"larger than {limit:,} bytes"
    raise OSError(errno.EFBIG, problem, os.fspath(path))
  return data
