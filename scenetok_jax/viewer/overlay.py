"""What lies over or beside a rendered square on the page."""

import numpy as np

from scenetok_jax.io import to_uint8, to_unit
from scenetok_jax.media import colorize

TOP = 0.2  # ours: the deviation, of values in [0, 1], in the brightest colour
_OPACITY = 0.8  # of that colour
_EMPTY = 24  # grey of what no square covers


def framed(image: np.ndarray, aspect: float) -> np.ndarray:
  """A square uint8 [H H 3] in the middle of a window as high: [H W 3].

  aspect: width over height of the window. A narrow one cuts the sides off.
  """
  height, width = image.shape[:2]
  wanted = max(1, round(height * aspect))
  if wanted < width:
    first = (width - wanted) // 2
    return image[:, first : first + wanted]
  left = (wanted - width) // 2
  sides = ((0, 0), (left, wanted - width - left), (0, 0))
  return np.pad(image, sides, constant_values=_EMPTY)


def deviation(samples: np.ndarray) -> np.ndarray:
  """Samples uint8 [S H W 3] -> standard deviation [H W], mean over colours."""
  return to_unit(samples.astype(np.float32).std(axis=0).mean(axis=-1))


def heated(image: np.ndarray, spread: np.ndarray) -> np.ndarray:
  """An image uint8 [H W 3] under colours where samples differ [H W]."""
  share = _OPACITY * np.clip(spread / TOP, 0, 1)[..., None]
  colors = to_unit(colorize(spread, high=TOP))
  return to_uint8((1 - share) * to_unit(image) + share * colors)
