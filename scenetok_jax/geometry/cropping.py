"""What scaling until it covers and cropping at the centre does to a lens.

Sides are (height, width). The scaled size is rounded half to even, the crop
starts at floor((scaled - target) / 2) (docs/architecture/cameras.md, release).
"""

import dataclasses

import numpy as np

Sides = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Crop:
  """scaled: the picture's sides before the crop. start: (top, left) of it."""

  scaled: Sides
  start: Sides
  target: Sides

  def intrinsics(
    self, matrix: np.ndarray, *, move_centre: bool = True
  ) -> np.ndarray:
    """Normalised [3 3] of the whole picture -> of what is left of it.

    move_centre: also move cx and cy with the crop, exact for any principal
    point. False keeps them, as the release does, which is exact only for a
    principal point in the middle of the image.
    """
    scaled, target = np.array(self.scaled[::-1]), np.array(self.target[::-1])
    found = np.array(matrix)
    # The factor is rounded first, as in the release.
    scale = (scaled / target).astype(found.dtype)
    found[0, 0] *= scale[0]
    found[1, 1] *= scale[1]
    if move_centre:
      centre = found[:2, 2] * scaled - self.start[::-1]
      found[:2, 2] = centre / target
    return found


def crop(sides: Sides, target: Sides) -> Crop:
  """From a picture of these sides to the target's, which it covers."""
  (height, width), (target_height, target_width) = sides, target
  factor = max(target_height / height, target_width / width)
  scaled = round(height * factor), round(width * factor)
  start = (scaled[0] - target_height) // 2, (scaled[1] - target_width) // 2
  return Crop(scaled, start, target)
