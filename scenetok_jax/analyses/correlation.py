"""Rank correlation: does one quantity rise with another?"""

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.stats

from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Correlation:
  """Spearman's rho in [-1, 1], its two-sided p-value, and the pairs used."""

  rho: float
  p_value: float
  pairs: int


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> Correlation:
  """Values [N] twice -> Spearman's rank correlation; ties share their rank.

  Raises:
    InputError: fewer than three pairs, lengths that differ, values that are
      not finite, or all equal (no ranks to compare).
  """
  a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
  if a.ndim != 1 or a.shape != b.shape or len(a) < 3:
    raise InputError(
      f"correlation: values {list(a.shape)} and {list(b.shape)}; give two"
      " lists of one length, at least 3"
    )
  if not (np.isfinite(a).all() and np.isfinite(b).all()):
    raise InputError("correlation: a value is not finite")
  if np.ptp(a) == 0 or np.ptp(b) == 0:
    raise InputError(
      "correlation: all values of one side are equal, so they have no order"
    )
  result = scipy.stats.spearmanr(a, b)
  return Correlation(float(result.statistic), float(result.pvalue), len(a))
