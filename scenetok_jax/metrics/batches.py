"""Maps a function over many host arrays with constant memory."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def in_batches(
  function: Callable[..., Any],
  params: Any,
  arrays: Sequence[np.ndarray],
  batch: int,
) -> np.ndarray:
  """function(params, arrays [N ...]) -> [N ...], `batch` of them at a time.

  A batch is spread over as many of this process's devices as divide it. The
  last batch is filled up by repeating an input, so that one program serves
  all; what it adds is cut off again.

  function: compiled; its result has one row per row of its inputs.

  Raises:
    ValueError: no rows, or arrays of different lengths.
  """
  lengths = {len(array) for array in arrays}
  count = max(lengths)
  if len(lengths) != 1 or not count:
    raise ValueError(f"arrays of {sorted(lengths)} rows; give equal, some")
  devices = jax.local_devices()
  ways = max(n for n in range(1, len(devices) + 1) if batch % n == 0)
  mesh = Mesh(np.array(devices[:ways]), ("data",))
  rows = NamedSharding(mesh, PartitionSpec("data"))
  # Once, not with every batch.
  params = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
  results = []
  # Callers may be inside a mesh of other devices.
  with jax.set_mesh(mesh):
    for start in range(0, count, batch):
      index = np.minimum(np.arange(start, start + batch), count - 1)
      inputs = [
        jax.device_put(np.asarray(array)[index], rows) for array in arrays
      ]
      results.append(np.asarray(function(params, *inputs)))
  return np.concatenate(results)[:count]
