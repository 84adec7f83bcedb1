"""Depth metrics: absolute relative error, RMSE, share within 25 percent."""

import numpy as np
import numpy.typing as npt

from scenetok_jax.metrics.metric import Metric
from scenetok_jax.types import InputError

RATIO = 1.25
Values = npt.NDArray[np.float64]


def depth_scores(
  predicted: npt.ArrayLike,
  truth: npt.ArrayLike,
  *,
  align: bool = False,
) -> dict[str, float]:
  """Depth maps [... H W] twice -> abs_rel, rmse, delta_1.25, pixels.

  abs_rel: mean of |p - t| / t. rmse: root of the mean of (p - t)^2, in the
  truth's unit. delta_1.25: share with max(p / t, t / p) below 1.25. Only
  pixels whose true depth is finite and positive count; a prediction there
  that is zero or negative is outside of any ratio.

  Args:
    predicted: depths; where `align` is off in the truth's unit.
    truth: as many.
    align: scale the predictions so that the medians agree, for methods that
      know depth only up to a factor.

  Raises:
    InputError: shapes differ, no pixel has a true depth, or a prediction at
      such a pixel is not finite.
  """
  p, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
  if p.shape != t.shape:
    raise InputError(
      f"depth: maps {list(p.shape)} predicted and {list(t.shape)} true ones;"
      " give as many of one size"
    )
  valid = np.isfinite(t) & (t > 0)
  if not valid.any():
    raise InputError("depth: no pixel has a true depth; give metric depths")
  p, t = p[valid], t[valid]
  if not np.isfinite(p).all():
    raise InputError(
      f"depth: {np.sum(~np.isfinite(p))} predicted depths are not finite"
    )
  if align:
    p = p * _median_ratio(p, t)
  scores = {metric.name: metric.function(p, t) for metric in METRICS}
  return {**scores, "pixels": int(t.size)}


def abs_rel(predicted: Values, truth: Values) -> float:
  """Mean of |p - t| / t."""
  return float(np.mean(np.abs(predicted - truth) / truth))


def rmse(predicted: Values, truth: Values) -> float:
  """Root of the mean of (p - t)^2, in the truth's unit."""
  return float(np.sqrt(np.mean(np.square(predicted - truth))))


def delta(predicted: Values, truth: Values) -> float:
  """Share with max(p / t, t / p) below 1.25; none that is not positive."""
  positive = np.maximum(predicted, np.finfo(np.float64).tiny)
  ratio = np.maximum(positive / truth, truth / positive)
  return float(np.mean(ratio < RATIO))


def _median_ratio(predicted: Values, truth: Values) -> float:
  median = float(np.median(predicted))
  if median <= 0:
    raise InputError(
      f"depth: the predictions' median is {median}; they cannot be aligned"
    )
  return float(np.median(truth)) / median


METRICS = (
  Metric("abs_rel", "depth", abs_rel, None, "lower", 4, None, "AbsRel"),
  Metric("rmse", "depth", rmse, None, "lower", 4, None, "RMSE"),
  Metric("delta_1.25", "depth", delta, None, "higher", 4, None, "delta < 1.25"),
)
