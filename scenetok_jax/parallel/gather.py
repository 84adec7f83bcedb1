"""Bytes of every process, in every process."""

import jax
import numpy as np
from jax.experimental import multihost_utils


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
