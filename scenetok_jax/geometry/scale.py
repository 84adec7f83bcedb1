"""How large a scene is in its own unit, which networks are not free of.

COLMAP's unit is arbitrary; a network has seen the lengths of its training
data. They are told by how far apart cameras are, which every source knows,
and by depth, where it is known.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, NotRequired, TypedDict

import numpy as np

from scenetok_jax.reading.schema import Between, Positive
from scenetok_jax.types import Array, Cameras

PERCENTILES = (5, 25, 50, 75, 95)
_MOST = 128  # cameras that are compared pairwise
_DIGITS = 6  # of what is stored

Length = Annotated[float, Between(0, 1e12)]
Lengths = tuple[Length, Length, Length, Length, Length]


class Scale(TypedDict):
  """PERCENTILES over some scenes, of which each gives one number.

  baseline: median distance between two views. depth: median depth of what is
  seen, over the scenes that know it.
  """

  scenes: Positive
  baseline: Lengths
  depth: NotRequired[Lengths]


def baseline(extrinsics: Array) -> float:
  """Median distance between two of the cameras [V 4 4]; 0 for a single one."""
  positions = np.asarray(extrinsics, np.float64)[:, :3, 3]
  count = len(positions)
  some = np.linspace(0, count - 1, min(count, _MOST)).astype(int)
  first, second = np.triu_indices(len(some), 1)
  if not len(first):
    return 0.0
  with np.errstate(all="ignore"):  # of broken cameras: NaN
    apart = positions[some[first]] - positions[some[second]]
    return float(np.median(np.linalg.norm(apart, axis=-1)))


def middle(depth: np.ndarray) -> float | None:
  """Median of the finite positive depths among some; None where none is."""
  depth = np.asarray(depth)
  depth = depth[np.isfinite(depth) & (depth > 0)]
  return rounded(np.median(depth)) if depth.size else None


def rounded(value: float | np.floating) -> float:
  """To as many digits as are stored."""
  return float(f"{value:.{_DIGITS}g}")


def scaled(extrinsics: Array, factor: float) -> np.ndarray:
  """Poses [..., 4 4] with their positions times a factor, in float32."""
  poses = np.array(extrinsics, np.float64)
  poses[..., :3, 3] *= factor
  return poses.astype(np.float32)


def rescaled(cameras: Cameras, factor: float) -> Cameras:
  """`scaled` of the poses of some cameras."""
  return Cameras(scaled(cameras.extrinsics, factor), cameras.intrinsics)


def summary(
  baselines: Sequence[float], depths: Iterable[float | None] = ()
) -> Scale | None:
  """Of one number a scene; None where there is none.

  depths: of as many scenes, None for those that do not know it.
  """
  if not len(baselines):
    return None
  known = [depth for depth in depths if depth is not None]
  found: Scale = {"scenes": len(baselines), "baseline": _percentiles(baselines)}
  if known:
    found["depth"] = _percentiles(known)
  return found


def _percentiles(values: Sequence[float]) -> Lengths:
  a, b, c, d, e = (rounded(x) for x in np.percentile(values, PERCENTILES))
  return a, b, c, d, e
