"""Pickles of others: what they may make the reader do before any class."""

import pickletools


def check_pickle(data: bytes) -> None:
  """ValueError where a pickle is damaged, or would take memory that it lacks.

  An unpickler grows its memo up to the number that the pickle names: six bytes
  would take gigabytes.
  """
  for operation, argument, _ in pickletools.genops(data):
    if operation.name not in ("PUT", "BINPUT", "LONG_BINPUT"):
      continue
    if not 0 <= int(argument or 0) <= len(data):
      raise ValueError(f"a memo of {argument} in {len(data)} bytes")
