"""Processes of a run: who leads, bytes between them, memory they freed."""

import ctypes
import os
import socket

import jax
import numpy as np
from jax.experimental import multihost_utils


def is_lead() -> bool:
  """True in the one process that writes logs, reports and configs."""
  return jax.process_index() == 0


def gather_bytes(data: bytes) -> list[bytes]:
  """What each process gave, in their order; every process must call it.

  Exact: arrays sent as they are would be rounded to float32 on the way.
  """
  if jax.process_count() == 1:
    return [data]
  sent = np.frombuffer(data, np.uint8)
  counts = multihost_utils.process_allgather(
    np.array([len(sent)], np.int32)
  ).ravel()
  padded = np.pad(sent, (0, max(counts.max(), 1) - len(sent)))
  rows = np.asarray(multihost_utils.process_allgather(padded))
  return [row[:n].tobytes() for row, n in zip(rows, counts, strict=True)]


def processes_here() -> int:
  """How many of the run are on this host; every process must call it."""
  names = gather_bytes(socket.gethostname().encode())
  return names.count(names[jax.process_index()])


def quick_compile_options(platform: str) -> dict[str, int]:
  """compiler_options for functions that run once, such as an init.

  On CPU, LLVM spends about 1.5 s on each random draw at the default level
  and a fifth of that at level 1. A level in XLA_FLAGS wins.
  """
  name = "xla_backend_optimization_level"
  quick = platform == "cpu" and name not in os.environ.get("XLA_FLAGS", "")
  return {name: 1} if quick else {}


def release_freed_memory() -> None:
  """Has glibc's malloc give back the pages that it holds free.

  It keeps them, per thread, for the next request: hundreds of MiB after a
  compilation, and a little more with every save. Does nothing where the C
  library is another.
  """
  try:
    trim = ctypes.CDLL(None).malloc_trim
  except (AttributeError, OSError, TypeError):
    return
  trim(0)
