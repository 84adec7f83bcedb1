"""Resize to cover, centre crop, and left-right mirroring of posed frames."""

import numpy as np
from PIL import Image

from scenetok_jax.geometry import cameras as camera_math
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
  starts at floor((scaled - target) / 2) (docs/architecture.md, release).

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
  factor = max(target_height / height, target_width / width)
  scaled_height, scaled_width = round(height * factor), round(width * factor)
  if (scaled_height, scaled_width) != (height, width):
    picture = Image.fromarray(image)
    resample = Image.Resampling.LANCZOS
    image = np.array(picture.resize((scaled_width, scaled_height), resample))
  top = (scaled_height - target_height) // 2
  left = (scaled_width - target_width) // 2
  image = image[top : top + target_height, left : left + target_width]
  scaled = np.array([scaled_width, scaled_height])
  target = np.array([target_width, target_height])
  intrinsics = np.array(intrinsics)
  # The factor is rounded first, as in the release.
  scale = (scaled / target).astype(intrinsics.dtype)
  intrinsics[0, 0] *= scale[0]
  intrinsics[1, 1] *= scale[1]
  if move_centre:
    centre = intrinsics[:2, 2] * scaled - [left, top]
    intrinsics[:2, 2] = centre / target
  return np.ascontiguousarray(image), intrinsics


def flip(images: np.ndarray, cameras: Cameras) -> tuple[np.ndarray, Cameras]:
  """Mirrors frames [..., H, W, 3] left to right, with their cameras."""
  return images[..., ::-1, :], camera_math.flip(cameras)
