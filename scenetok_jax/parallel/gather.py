"""Bytes of every process, in every process."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def gather_bytes(data: bytes) -> list[bytes]:
  """What each process gave, in the order of processes.

  Every process must call it. Exact: arrays sent as they are would be rounded
  to float32 on the way.
  """
  if jax.process_count() == 1:
    return [data]
  sent = np.frombuffer(data, np.uint8)
  lengths = multihost_utils.process_allgather(np.array([len(sent)], np.int32))
  lengths = np.ravel(lengths)
  padded = np.zeros(max(int(lengths.max()), 1), np.uint8)
  padded[: len(sent)] = sent
  gathered = np.asarray(multihost_utils.process_allgather(padded))
  return [
    row[:length].tobytes()
    for row, length in zip(gathered, lengths, strict=True)
  ]
