"""A real process that reads training batches; run by stream_processes_test.

  read_stream.py DATA INDEX COUNT WORKERS START BATCHES

Prints one JSON line a batch: the state after it, and a hash of each row.
"""

import hashlib
import json
import sys

import jax
import numpy as np

from data_pipelines.loading import loader
from tests.data_pipelines import clips

SEED = 3
CHANGES = {"flip": True, "num_conditions": 1, "cache": False, "batch_size": 6}


def row_hashes(batch) -> list[str]:
  """One hash per example of a batch, over all its arrays."""
  leaves = jax.tree.leaves(batch)
  hashes = []
  for number in range(len(leaves[0])):
    digest = hashlib.sha256()
    for leaf in leaves:
      digest.update(np.ascontiguousarray(leaf[number]).tobytes())
    hashes.append(digest.hexdigest())
  return hashes


def main(path, index, count, workers, start, batches) -> None:
  """Reads `batches` batches from example `start` on."""
  config = clips.data_config(path, workers=int(workers), **CHANGES)
  iterator = loader.train_iterator(
    config, seed=SEED, process_index=int(index), process_count=int(count)
  )
  iterator.set_state({"global_next_index": int(start)})
  for _ in range(int(batches)):
    rows = row_hashes(next(iterator))
    line = {**iterator.get_state(), "rows": rows}
    print(json.dumps(line), flush=True)
  iterator.close()


if __name__ == "__main__":
  main(*sys.argv[1:])
