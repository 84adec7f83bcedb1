"""Scores this process's batches, taking what is finished from the store."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from scenetok_jax.evaluation.batches import Batch
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import Store

Outcome = tuple[SceneResult, np.ndarray]
Compute = Callable[[Batch], Iterable[Outcome]]


def work(
  batches: Sequence[Batch],
  compute: Compute,
  store: Store | None,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[SceneResult]:
  """The results of some batches.

  A batch of which a scene is missing is computed again as a whole, so that
  every scene is always rendered in the same company.

  Args:
    batches: of this process.
    compute: gives the result and the picture of each scene of a batch.
    store: where results are kept, None to keep none.
    progress: told how many more scenes are done.
  """
  for batch in batches:
    keys = [source.key for source in batch.scenes]
    found = {key: store.read(key) if store else None for key in keys}
    done = {key: result for key, result in found.items() if result}
    if len(done) < len(keys):
      start = time.monotonic()
      for result, picture in compute(batch):
        # Shares of the batch, in the order in which scenes are finished.
        spent = time.monotonic() - start
        start += spent
        result = dataclasses.replace(result, total_seconds=spent)
        if result.key not in done:
          done[result.key] = result
          if store:
            store.write(result, picture)
    yield from (done[key] for key in keys)
    progress(len(keys))
