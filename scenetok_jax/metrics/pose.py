"""Camera-pose accuracy over frame pairs, as VGGT and PoseDiffusion define it.

Float64 on the host. Invariant to a global rotation, shift and scale of the
predicted path, because only relative poses of frame pairs are compared.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scenetok_jax.metrics.metric import Metric
from scenetok_jax.types import InputError

THRESHOLDS = (3, 5, 10, 15, 20, 30)  # degrees
_EPSILON = 1e-15
Values = npt.NDArray[np.float64]


class PairErrors(NamedTuple):
  """Errors in degrees per frame pair (0,1), (0,2), ..., (1,2), ...: [P].

  rotation: angle between the true and the predicted relative rotation.
  translation: angle in [0, 90] between the lines of the relative shifts.
  """

  rotation: Values
  translation: Values


def pair_errors(predicted: npt.ArrayLike, truth: npt.ArrayLike) -> PairErrors:
  """Camera-to-world poses [T 4 4] twice -> errors of all T (T - 1) / 2 pairs.

  Raises InputError: shapes differ, fewer than two frames, or a pose that is not
  finite.
  """
  paths = [np.asarray(p, np.float64) for p in (predicted, truth)]
  if paths[0].shape != paths[1].shape or paths[1].shape[1:] != (4, 4):
    raise InputError(
      f"poses: {list(paths[0].shape)} predicted and {list(paths[1].shape)}"
      " true ones; give as many [T, 4, 4] of each"
    )
  if len(paths[0]) < 2:
    raise InputError("poses: one frame has no pairs; give at least 2 frames")
  for name, path in zip(("predicted", "true"), paths, strict=True):
    bad = np.flatnonzero(~np.isfinite(path).all(axis=(1, 2)))
    if len(bad):
      raise InputError(
        f"poses: the {name} pose of frame {bad[0]} is not finite; leave the"
        " frame out, or count its pairs as missed"
      )
  p, t = (_relative(path) for path in paths)
  return PairErrors(
    rotation_error(p[:, :3, :3], t[:, :3, :3]),
    translation_error(p[:, :3, 3], t[:, :3, 3]),
  )


def _relative(poses: Values) -> Values:
  """Camera-to-world [T 4 4] -> frame j to frame i, i < j: [P 4 4]."""
  i, j = np.triu_indices(len(poses), k=1)
  rotation = np.swapaxes(poses[i, :3, :3], -1, -2)
  inverse = np.zeros_like(poses[i])
  inverse[:, :3, :3] = rotation
  inverse[:, :3, 3:] = -rotation @ poses[i, :3, 3:]
  inverse[:, 3, 3] = 1.0
  return inverse @ poses[j]


def rotation_error(predicted: Values, truth: Values) -> Values:
  """Rotations [P 3 3] twice -> geodesic angle [P], degrees."""
  d = np.swapaxes(truth, -1, -2) @ predicted
  skew = d - np.swapaxes(d, -1, -2)
  sine = np.linalg.norm(skew[:, (2, 0, 1), (1, 2, 0)], axis=-1) / 2
  cosine = (np.trace(d, axis1=-2, axis2=-1) - 1) / 2
  return np.degrees(np.arctan2(sine, cosine))


def translation_error(predicted: Values, truth: Values) -> Values:
  """Vectors [P 3] twice -> angle between their lines in [0, 90], degrees.

  A vector of length zero is 90 degrees away from everything.
  """
  unit = [
    v / (np.linalg.norm(v, axis=1, keepdims=True) + _EPSILON)
    for v in (predicted, truth)
  ]
  cosine = np.sum(unit[0] * unit[1], axis=1)
  sine = np.maximum(1.0 - cosine**2, _EPSILON)
  return np.degrees(np.arccos(np.sqrt(1.0 - sine)))


def pool(parts: Iterable[PairErrors]) -> PairErrors:
  """The pairs of several scenes as one set."""
  parts = list(parts)
  if not parts:
    raise InputError("poses: no scene to pool; give at least one")
  return PairErrors(*map(np.concatenate, zip(*parts, strict=True)))


def accuracy(errors: Values, threshold: float) -> float:
  """Share of errors strictly below so many degrees."""
  return float(np.mean(np.asarray(errors) < threshold))


def auc(errors: PairErrors, threshold: int = 30) -> float:
  """Area under the accuracy curve of max(rotation, translation), in [0, 1].

  Bins of one degree, the last closed; pairs beyond the threshold are misses.
  """
  worst = np.maximum(errors.rotation, errors.translation)
  counts, _ = np.histogram(worst, bins=np.arange(threshold + 1))
  return float(np.mean(np.cumsum(counts / len(worst))))


def _share(errors: PairErrors, kind: str, threshold: int) -> float:
  return accuracy(getattr(errors, kind), threshold)


def summary(errors: PairErrors) -> dict[str, float]:
  """R.Acc@t, T.Acc@t and AUC@t in [0, 1] for every threshold, and pairs."""
  scores = {metric.name: metric.function(errors) for metric in METRICS}
  return {**scores, "pairs": len(errors.rotation)}


_PERCENT = {"unit": "%", "scale": 100.0}
_SCORES: tuple[tuple[str, str, Callable, dict[str, Any]], ...] = (
  ("racc", "R.Acc", functools.partial(_share, kind="rotation"), _PERCENT),
  ("tacc", "T.Acc", functools.partial(_share, kind="translation"), _PERCENT),
  ("auc", "AUC", auc, {"digits": 3}),
)
METRICS = tuple(
  Metric(
    f"{name}@{at}",
    "pose",
    functools.partial(function, threshold=at),
    "higher",
    f"{title}@{at}",
    **more,
  )
  for at in THRESHOLDS
  for name, title, function, more in _SCORES
)
