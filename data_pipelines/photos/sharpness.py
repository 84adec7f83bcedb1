"""Which frames of a video are taken: the sharpest of each stretch."""

from collections.abc import Sequence

import numpy as np

_SIDE = 640  # pixels: blur of a hand's motion is still seen, noise no longer
_RATE = 2.0  # ours: frames a second of somebody who walks
_FEWEST, _MOST = 60, 300  # ours: in all, where neither rate nor count is given


def sharpness(pixels: np.ndarray) -> float:
  """Variance of the Laplacian of the grey levels of uint8 [H W 3]."""
  import cv2

  grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
  factor = _SIDE / max(grey.shape)
  if factor < 1:
    grey = cv2.resize(
      grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
  return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def sharpest(
  times: Sequence[float],
  scores: Sequence[float],
  rate: float | None = None,
  count: int | None = None,
) -> list[int]:
  """Frame numbers, one of each of equally long stretches, in order.

  times, scores: [T], seconds (rising) and sharpness of all frames. Stretches
  in which no frame is shown give none.
  """
  shown, values = np.asarray(times), np.asarray(scores)
  frames = len(shown)
  step = (shown[-1] - shown[0]) / (frames - 1) if frames > 1 else 0.0
  length = max(float(step * frames), 1e-9)  # the last frame is shown, too
  if count is None:
    wanted = round(length * (rate or _RATE))
    count = wanted if rate else min(max(wanted, _FEWEST), _MOST)
  count = min(max(count, 1), frames)
  if count == frames:
    return list(range(frames))
  stretch = ((shown - shown[0]) / length * count).astype(int)
  return [
    int(inside[np.argmax(values[inside])])
    for number in range(count)
    if len(inside := np.flatnonzero(stretch.clip(0, count - 1) == number))
  ]
