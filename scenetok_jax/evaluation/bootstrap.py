"""Confidence intervals by resampling scenes with replacement."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scenetok_jax.types import InputError

CONFIDENCE = 0.95  # share of the resampled statistics inside an interval


@dataclasses.dataclass(frozen=True)
class Interval:
  """A statistic over scenes and the interval that holds its resamples."""

  value: float
  low: float
  high: float
  scenes: int


def mean_interval(
  scores: Mapping[str, float], *, resamples: int = 2000, seed: int = 0
) -> Interval:
  """Interval of the mean over scenes of a score by scene key.

  The order of the scenes does not matter. Infinite scores are allowed (the
  PSNR of equal images); the mean is then infinite too.
  Raises InputError: no scenes, or a score that is not a number.
  """
  for key in sorted(scores):
    if np.isnan(scores[key]):
      raise InputError(
        f"bootstrap: the score of scene {key} is not a number; evaluate that"
        " scene again"
      )
  return pooled_interval(scores, np.mean, resamples=resamples, seed=seed)


def pooled_interval(
  parts: Mapping[str, Any],
  statistic: Callable[[Sequence[Any]], Any],
  *,
  resamples: int = 100,
  seed: int = 0,
) -> Interval:
  """Interval of a statistic of all scenes together, such as FID.

  parts: what each scene adds (features, pair errors), by scene key. statistic:
  of the parts of some scenes, where one may occur twice; each resample calls
  it once. InputError without scenes.
  """
  ordered = [parts[key] for key in sorted(parts)]
  count = len(ordered)
  if count < 1 or resamples < 1:
    raise InputError(
      f"bootstrap: {count} scenes and {resamples} resamples; give at least 1"
    )
  rng = np.random.default_rng(seed)
  # Sorted: equal picks sum alike in whatever order.
  picks = np.sort(rng.integers(count, size=(resamples, count)), axis=1)
  values = [statistic([ordered[i] for i in row]) for row in picks]
  tail = (1 - CONFIDENCE) / 2
  # Order statistics: interpolating between infinities gives NaN.
  low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")
  return Interval(float(statistic(ordered)), float(low), float(high), count)
