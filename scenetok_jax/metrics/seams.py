"""Whether pictures show the borders of the blocks they were coded in."""

from collections.abc import Sequence

import numpy as np


def seams(clips: Sequence[np.ndarray], side: int) -> float:
  """Mean jump between pixels across the borders of blocks, over that inside.

  clips: uint8 [T H W 3]. side: of a block in pixels. About 1 for pictures that
  know of no blocks; NaN where there is no border, or where nothing changes.
  """
  across, inside = [], []
  for clip in clips:
    pixels = clip.astype(np.float32)
    for axis in (1, 2):
      jumps = np.abs(np.diff(pixels, axis=axis)).mean(
        tuple(x for x in range(4) if x != axis)
      )
      border = np.arange(1, len(jumps) + 1) % side == 0
      across.append(jumps[border])
      inside.append(jumps[~border])
  at_borders, elsewhere = map(np.concatenate, (across, inside))
  if not at_borders.size or not elsewhere.any():
    return float("nan")
  return float(at_borders.mean() / elsewhere.mean())
