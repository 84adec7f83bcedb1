"""Checksums of PNG files, which Pillow does not look at where pixels are."""

import zlib
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def check_png(file: IO[bytes]) -> None:
  """ValueError where a chunk that pixels need is not as it was written.

  file: at its start; one of another kind passes.
  """
  if file.read(len(SIGNATURE)) != SIGNATURE:
    return
  kind = b""
  while kind != b"IEND":
    head = file.read(8)
    length, kind = int.from_bytes(head[:4], "big"), head[4:]
    data = file.read(min(length, 1 << 31))
    told = file.read(4)
    if len(data) < length or len(told) < 4:
      raise ValueError("it is truncated")
    needed = kind[:1].isupper()
    if needed and zlib.crc32(kind + data) != int.from_bytes(told, "big"):
      raise ValueError("its checksum differs")
