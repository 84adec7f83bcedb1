"""Confidence intervals by resampling scenes with replacement."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Interval:
  """A statistic over scenes and the interval that holds its resamples."""

  value: float
  low: float
  high: float
  confidence: float
  scenes: int
  resamples: int


def mean_interval(
  scores: Mapping[str, float],
  *,
  confidence: float = 0.95,
  resamples: int = 2000,
  seed: int = 0,
) -> Interval:
  """Interval of the mean over scenes of a score per scene.

  The order of the scenes does not matter. Infinite scores are allowed (the
  PSNR of equal images); the mean is then infinite too.

  Args:
    scores: by scene key.
    confidence: share of resampled means inside the interval.
    resamples: how many.
    seed: of the resampling.

  Raises:
    InputError: no scenes, a score that is not a number, or a confidence
      outside (0, 1).
  """
  keys = sorted(scores)
  values = np.array([scores[key] for key in keys], np.float64)
  bad = [key for key, v in zip(keys, values, strict=True) if np.isnan(v)]
  if bad:
    raise InputError(
      f"bootstrap: the score of scene {bad[0]} is not a number; evaluate that"
      " scene again"
    )
  picks = _picks(len(keys), resamples, seed)
  # Sorted rows: equal picks sum alike whatever order they were drawn in.
  means = values[np.sort(picks, axis=1)].mean(axis=1)
  value = float(values.mean()) if len(keys) else np.nan
  return _interval(value, means, confidence, len(keys))


def pooled_interval(
  parts: Mapping[str, Any],
  statistic: Callable[[Sequence[Any]], float],
  *,
  confidence: float = 0.95,
  resamples: int = 100,
  seed: int = 0,
) -> Interval:
  """Interval of a statistic of all scenes together, such as FID.

  Args:
    parts: what each scene adds (features, pair errors), by scene key.
    statistic: of the parts of some scenes, where one may occur twice.
    confidence: as for mean_interval.
    resamples: each calls the statistic once.
    seed: of the resampling.

  Raises:
    InputError: no scenes, or a confidence outside (0, 1).
  """
  ordered = [parts[key] for key in sorted(parts)]
  picks = np.sort(_picks(len(ordered), resamples, seed), axis=1)
  values = [statistic([ordered[i] for i in row]) for row in picks]
  return _interval(
    statistic(ordered), np.array(values), confidence, len(ordered)
  )


def _picks(count: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
  if count < 1 or resamples < 1:
    raise InputError(
      f"bootstrap: {count} scenes and {resamples} resamples; give at least 1"
    )
  rng = np.random.default_rng(seed)
  return rng.integers(count, size=(resamples, count))


def _interval(
  value: float, resampled: np.ndarray, confidence: float, scenes: int
) -> Interval:
  if not 0 < confidence < 1:
    raise InputError(f"bootstrap: confidence {confidence}: give one in (0, 1)")
  tail = (1 - confidence) / 2
  # Order statistics: interpolating between infinities gives NaN.
  low, high = np.quantile(resampled, [tail, 1 - tail], method="inverted_cdf")
  return Interval(
    value, float(low), float(high), confidence, scenes, len(resampled)
  )
