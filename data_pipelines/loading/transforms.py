"""Resize to cover, centre crop, and left-right mirroring of posed frames."""

import numpy as np
from PIL import Image

from scenetok_jax.geometry import cameras as camera_math
from scenetok_jax.geometry import cropping
from scenetok_jax.reading.shown import sides
from scenetok_jax.types import Cameras, InputError


def rescale_and_crop(
  image: np.ndarray,
  intrinsics: np.ndarray,
  shape: tuple[int, int],
  *,
  move_centre: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
  """Resizes a frame until it covers `shape`, then crops its centre.

  Lanczos resampling; the scaled size is rounded half to even, the crop
  starts at floor((scaled - target) / 2)
  (docs/architecture/cameras.md, release).

  Args:
    image: uint8 [H, W, 3].
    intrinsics: [3, 3] normalised.
    shape: (h, w), not larger than the image.
    move_centre: also move cx and cy with the crop, exact for any principal
      point. False keeps them, as the release does, which is exact only for
      a principal point in the middle of the image.

  Returns:
    uint8 [h, w, 3] and float intrinsics [3, 3].
  """
  height, width = image.shape[:2]
  target_height, target_width = shape
  if target_height > height or target_width > width:
    raise InputError(
      f"image is {sides(image.shape)}, smaller than the asked {sides(shape)}"
      " (width x height); choose a smaller --size"
    )
  cut = cropping.crop((height, width), shape)
  if cut.scaled != (height, width):
    picture = Image.fromarray(image)
    resample = Image.Resampling.LANCZOS
    image = np.array(picture.resize(cut.scaled[::-1], resample))
  top, left = cut.start
  image = image[top : top + target_height, left : left + target_width]
  matrix = cut.intrinsics(intrinsics, move_centre=move_centre)
  return np.ascontiguousarray(image), matrix


def flip(images: np.ndarray, cameras: Cameras) -> tuple[np.ndarray, Cameras]:
  """Mirrors frames [..., H, W, 3] left to right, with their cameras."""
  return images[..., ::-1, :], camera_math.flip(cameras)
