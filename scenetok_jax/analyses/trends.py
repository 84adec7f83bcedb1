"""Does a quantity rise or fall with another? Ranks decide."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

from scenetok_jax.analyses import findings
from scenetok_jax.types import InputError

SIGNIFICANT = 0.05  # largest p-value at which a trend holds


@dataclasses.dataclass(frozen=True)
class Correlation:
  """Spearman's rho in [-1, 1], its two-sided p-value, and the pairs used."""

  rho: float
  p_value: float
  pairs: int


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> Correlation:
  """Values [N] twice -> Spearman's correlation.

  Raises:
    InputError: values that are not finite, or all equal (no ranks to
      compare).
  """
  spreads = np.array([np.ptp(x), np.ptp(y)])
  if not (np.isfinite(spreads) & (spreads > 0)).all():
    raise InputError(
      "correlation: all values of one side are equal, so they have no order,"
      " or one is not finite"
    )
  found = scipy.stats.spearmanr(x, y)
  return Correlation(float(found.statistic), float(found.pvalue), np.size(x))


@dataclasses.dataclass(frozen=True)
class Trend:
  """Whether a claim holds on these data.

  pooled: rank correlation over all (scene, level) pairs. levels: over the
  means of the levels. per_scene: mean of the scenes' own correlations, None
  where a scene has the same value everywhere.
  """

  claim: str
  holds: bool
  pooled: Correlation
  levels: Correlation
  per_scene: float | None

  def line(self) -> str:
    """The claim and its numbers, for the screen."""
    own = "-" if self.per_scene is None else f"{self.per_scene:+.3f}"
    return findings.verdict(
      self.claim,
      self.holds,
      f"Spearman {self.pooled.rho:+.3f} over {self.pooled.pairs}"
      f" scene-level pairs, p {self.pooled.p_value:.1e};"
      f" {self.levels.rho:+.3f} over the levels' means; {own} within a scene",
    )


def trend(
  claim: str, levels: Sequence[float], values: np.ndarray, sign: int
) -> Trend:
  """Does a quantity rise (sign 1) or fall (sign -1) with a level?

  levels [K], values [B K] of B scenes. The claim holds if the pooled rank
  correlation has that sign with a p-value below SIGNIFICANT, and so has the
  correlation of the means.
  """
  x = np.tile(np.asarray(levels, np.float64), len(values))
  pooled = rank_correlation(x, np.ravel(values))
  means = rank_correlation(levels, values.mean(axis=0))
  varied = [row for row in values if np.ptp(row) > 0]
  own = [rank_correlation(levels, row).rho for row in varied]
  holds = (
    sign * pooled.rho > 0
    and pooled.p_value < SIGNIFICANT
    and sign * means.rho > 0
  )
  return Trend(
    claim, holds, pooled, means, float(np.mean(own)) if own else None
  )
