"""How large the scenes of a split are, from its index alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scenetok_jax.geometry import scale
from scenetok_jax.geometry.scale import Scale

_MOST = 1024  # scenes, evenly spread over the split


def some(count: int) -> np.ndarray:
  """Numbers of the scenes of a split of so many that are measured."""
  return np.linspace(0, count - 1, min(count, _MOST)).astype(int)


def measured(rows: Sequence[Any], cameras: np.ndarray) -> Scale | None:
  """Of index rows and their cameras [T 25], over whole clips.

  None where all scenes are broken.
  """
  baselines, depths = [], []
  for number in some(len(rows)):
    row = rows[number]
    numbers = cameras[row.first : row.first + row.frames, :16]
    found = scale.baseline(numbers.reshape(-1, 4, 4))
    if np.isfinite(found):
      baselines.append(found)
      depths.append(getattr(row, "depth", None))
  return scale.summary(baselines, depths)


def stored(
  info: Mapping[str, Any], rows: Sequence[Any], cameras: np.ndarray
) -> Scale | None:
  """What prepared.json says; older ones say nothing, then as measured."""
  found: Scale | None = info.get("scale")
  return found or measured(rows, cameras)
