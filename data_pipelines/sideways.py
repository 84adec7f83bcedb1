"""Camera paths moved sideways, as far as there is room."""

from collections.abc import Callable

import numpy as np

_STEP = 0.05  # metres between the places that are tried


def shift_sideways(
  c2w: np.ndarray,
  distance: float,
  clearance: Callable[[np.ndarray], np.ndarray],
  least: float,
) -> np.ndarray:
  """Moves a path sideways without turning its cameras.

  All frames move by the same distance, to their own right or left: the side
  with more room, as far as no frame comes near an obstacle.

  Args:
    c2w: [T 4 4] camera-to-world, OpenCV axes, metres, world z up.
    distance: at most so far, metres.
    clearance: plan distance [...] of points [... 2] to obstacles, metres.
    least: clearance that is kept, metres.

  Returns:
    [T 4 4], equal to c2w where there is no room on either side.
  """
  if distance <= 0:
    return c2w
  steps = np.arange(1, int(np.ceil(distance / _STEP)) + 1) * _STEP
  steps = np.minimum(steps, distance)
  best = 0.0
  for side in (1.0, -1.0):
    right = side * c2w[:, :2, 0].astype(np.float64)
    places = c2w[None, :, :2, 3] + steps[:, None, None] * right
    blocked = clearance(places).min(axis=1) < least
    free = int(np.argmax(blocked)) if blocked.any() else len(steps)
    reach = float(steps[free - 1]) if free else 0.0
    best = side * reach if reach > abs(best) else best
  moved = c2w.copy()
  moved[:, :3, 3] += np.float32(best) * c2w[:, :3, 0]
  return moved
