"""Depth metrics: absolute relative error, RMSE, share within 25 percent.

Of pixels whose true depth is finite and positive; a prediction there that is
zero or negative is outside of any ratio.
"""

import numpy as np
import numpy.typing as npt

from scenetok_jax.metrics.metric import Metric

RATIO = 1.25
Values = npt.NDArray[np.float64]


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


METRICS = (
  Metric("abs_rel", "depth", abs_rel, "lower", "AbsRel", 4),
  Metric("rmse", "depth", rmse, "lower", "RMSE", 4),
  Metric("delta_1.25", "depth", delta, "higher", "delta < 1.25", 4),
)
