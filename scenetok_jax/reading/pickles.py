"""Pickles of others: what they may make the reader do before any class."""

import pickletools
from typing import IO

# Torch calls it, too: it fills as much memory as a number says.
_FILLS = ("builtins bytearray", "__builtin__ bytearray")


def check_pickle(data: bytes | IO[bytes], size: int | None = None) -> None:
  """ValueError where a pickle is damaged, or would take memory that it lacks.

  An unpickler grows its memo up to the number that the pickle names: six bytes
  would take gigabytes. size: of an open file, which is read up to the pickle's
  end.
  """
  limit = len(data) if isinstance(data, bytes) else size or 0
  for operation, argument, _ in pickletools.genops(data):
    if operation.name == "GLOBAL" and argument in _FILLS:
      raise ValueError(f"GLOBAL {str(argument).replace(' ', '.')}")
    if operation.name not in ("PUT", "BINPUT", "LONG_BINPUT"):
      continue
    if not 0 <= int(argument or 0) <= limit:
      raise ValueError(f"a memo of {argument} in {limit} bytes")
