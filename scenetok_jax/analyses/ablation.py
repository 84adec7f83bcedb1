"""What analyses measure: removed tokens, the spread of samples, findings."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from einops import reduce

from scenetok_jax.analyses.correlation import Correlation, spearman
from scenetok_jax.types import InputError

MASKS = ("drop", "zero")
SIGNIFICANT = 0.05  # largest p-value at which a finding holds


def mask_tokens(
  tokens: npt.ArrayLike, share: float, seed: int, kind: str = "drop"
) -> np.ndarray:
  """tokens [B N C] -> [B n C] without a random share of them.

  The order in which a scene's tokens go depends on the seed alone, so a
  larger share removes what a smaller one removed, and more.

  Args:
    tokens: of any number of scenes.
    share: in [0, 1], rounded to whole tokens.
    seed: of the order.
    kind: "drop" gives the renderer fewer tokens; "zero" sets them to zero.
      Where none is left "drop" gives one zero token, as attention needs one.

  Raises:
    InputError: a share outside [0, 1], or an unknown kind.
  """
  array = np.asarray(tokens)
  if not 0 <= share <= 1:
    raise InputError(f"masks: {share:g} is not a share between 0 and 1")
  if kind not in MASKS:
    raise InputError(f"mask: {kind!r} is not one of {', '.join(MASKS)}")
  scenes, count = array.shape[:2]
  kept = count - round(share * count)
  orders = [
    np.random.default_rng((seed, i)).permutation(count) for i in range(scenes)
  ]
  keep = np.stack([np.sort(order[:kept]) for order in orders])
  if kind == "drop" and kept:
    return np.take_along_axis(array, keep[..., None], axis=1)
  if kind == "drop":
    return np.zeros_like(array[:, :1])
  out = np.zeros_like(array)
  rows = np.arange(scenes)[:, None]
  out[rows, keep] = array[rows, keep]
  return out


def sample_variance(videos: np.ndarray) -> np.ndarray:
  """uint8 [B S T H W 3] -> unbiased variance over samples [B T H W].

  Of images in [0, 1], averaged over the three channels.

  Raises:
    InputError: a single sample, which has no variance.
  """
  if videos.shape[1] < 2:
    raise InputError("--samples: 1 sample has no variance; give at least 2")
  variance = (videos.astype(np.float32) / 255.0).var(axis=1, ddof=1)
  return reduce(variance, "b t h w c -> b t h w", "mean")


@dataclasses.dataclass(frozen=True)
class Finding:
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
    return (
      f"finding: {self.claim}: {'holds' if self.holds else 'DOES NOT HOLD'}"
      f" (Spearman {self.pooled.rho:+.3f} over {self.pooled.pairs}"
      f" scene-level pairs, p {self.pooled.p_value:.1e};"
      f" {self.levels.rho:+.3f} over the levels' means; {own} within a scene)"
    )


def monotone(
  claim: str, levels: Sequence[float], values: np.ndarray, sign: int
) -> Finding:
  """Does a quantity rise (sign 1) or fall (sign -1) with a level?

  levels [K], values [B K] of B scenes. The claim holds if the pooled rank
  correlation has that sign with a p-value below SIGNIFICANT, and so has the
  correlation of the means.
  """
  x = np.tile(np.asarray(levels, np.float64), len(values))
  pooled = spearman(x, np.asarray(values, np.float64).ravel())
  means = spearman(levels, values.mean(axis=0))
  varied = [row for row in values if np.ptp(row) > 0]
  own = [spearman(levels, row).rho for row in varied]
  return Finding(
    claim,
    sign * pooled.rho > 0
    and pooled.p_value < SIGNIFICANT
    and sign * means.rho > 0,
    pooled,
    means,
    float(np.mean(own)) if own else None,
  )
