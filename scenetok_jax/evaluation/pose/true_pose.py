"""TPS: do frames show the scene from the poses that were asked for?

The poses of frames are estimated by an oracle and compared with those asked
for, over all frame pairs (metrics.pose). Copying the source's pixels cheats
it, hence a distance between sets of images belongs beside it.
"""

import numpy as np

from scenetok_jax.metrics.pose import PairErrors, auc, pair_errors
from scenetok_jax.types import InputError

# What a pair with a frame that could not be placed counts as, degrees.
MISSED = (180.0, 90.0)


def path_errors(predicted: np.ndarray, truth: np.ndarray) -> PairErrors:
  """Poses [T 4 4] twice -> errors of all T (T - 1) / 2 pairs.

  Pairs with a frame whose predicted pose is not finite are misses, so that
  an estimator does not gain from leaving frames out.

  Raises:
    InputError: shapes differ, or fewer than two frames.
  """
  predicted, truth = (np.asarray(p, np.float64) for p in (predicted, truth))
  if predicted.shape != truth.shape or len(truth) < 2:
    raise InputError(
      f"poses: {list(predicted.shape)} predicted and {list(truth.shape)} true"
      " ones; give one of each for at least 2 frames"
    )
  placed = np.asarray(np.isfinite(predicted).all(axis=(1, 2)))
  first, second = np.triu_indices(len(truth), k=1)
  known = placed[first] & placed[second]
  rotation = np.full(len(first), MISSED[0])
  translation = np.full(len(first), MISSED[1])
  if known.any():
    found = pair_errors(predicted[placed], truth[placed])
    rotation[known], translation[known] = found.rotation, found.translation
  return PairErrors(rotation, translation)


def shuffled_auc(
  predicted: np.ndarray, truth: np.ndarray, seed: int, repeats: int = 20
) -> float:
  """Mean AUC@30 with frames in a random order: what chance gives.

  It is above zero, and high for a straight path, whose frame pairs all move
  along one line.
  """
  rng = np.random.default_rng(seed)
  orders = [rng.permutation(len(truth)) for _ in range(repeats)]
  found = [auc(path_errors(predicted[order], truth)) for order in orders]
  return float(np.mean(found))
