"""Orientation tags of pictures and videos: how stored pixels are to be shown.

A tag is EXIF's number, 1 to 8; 1 is upright as stored. Videos have four of
them, by the rotation of their display matrix.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

UPRIGHT = 1
_Turn = Callable[[np.ndarray], np.ndarray]


def _transposed(pixels: np.ndarray) -> np.ndarray:
  return np.swapaxes(pixels, 0, 1)


_TURNS: dict[int, _Turn] = {
  1: lambda x: x,
  2: lambda x: x[:, ::-1],
  3: lambda x: x[::-1, ::-1],
  4: lambda x: x[::-1],
  5: _transposed,
  6: lambda x: np.rot90(x, -1),
  7: lambda x: _transposed(x[::-1, ::-1]),
  8: lambda x: np.rot90(x),
}
_BACK = {**{tag: tag for tag in _TURNS}, 6: 8, 8: 6}
# Where a point right of (below) the middle is shown: x' = a x + b y, ...
_AXES = {
  1: ((1, 0), (0, 1)),
  2: ((-1, 0), (0, 1)),
  3: ((-1, 0), (0, -1)),
  4: ((1, 0), (0, -1)),
  5: ((0, 1), (1, 0)),
  6: ((0, -1), (1, 0)),
  7: ((0, -1), (-1, 0)),
  8: ((0, 1), (-1, 0)),
}


def known(tag: object) -> int:
  """A tag as a file has it; what is none is taken for upright."""
  return tag if isinstance(tag, int) and tag in _TURNS else UPRIGHT


def of_rotation(degrees: float) -> int:
  """The tag of a video whose frames are shown turned counterclockwise."""
  return (1, 8, 3, 6)[round(degrees / 90) % 4]


def apply(pixels: np.ndarray, tag: int) -> np.ndarray:
  """Pixels as stored [H W C] -> as they are to be shown."""
  return _TURNS[tag](pixels)


def undo(pixels: np.ndarray, tag: int) -> np.ndarray:
  """Pixels as they are to be shown -> as they are stored."""
  return _TURNS[_BACK[tag]](pixels)


def shown_size(size: Any, tag: int) -> Any:
  """Two sides as stored -> as they are to be shown, or back."""
  return size if tag < 5 else (size[1], size[0])


def axes(tag: int) -> np.ndarray:
  """[2 2]: offsets (x, y) from the middle as stored -> as they are shown."""
  return np.array(_AXES[tag], np.float64)


def is_mirrored(tag: int) -> bool:
  """Whether what is shown is a mirror image of what is stored."""
  return tag in (2, 4, 5, 7)
