"""What a scene must be like to be written; says what is wrong otherwise."""

import numpy as np

from scenetok_jax.geometry.cameras import check_rigid
from scenetok_jax.types import Cameras, InputError

# Median step between frames that counts as no motion, of the clip's extent.
_STILL = 0.01
_MIN_STEPS = 7  # fewer steps say nothing about what is usual
# Focal lengths in pixels differ by less; swapped sides of 4:3 by 1.78.
_MAX_ASPECT = 1.7


def check_cameras(
  cameras: Cameras, size: tuple[int, int], source: str, max_jump: float
) -> None:
  """InputError unless cameras [T] of images of `size` (h, w) are usable.

  max_jump: see `jump`; 0 allows any.
  """
  check_rigid(cameras.extrinsics, f"{source}: pose")
  intrinsics = np.asarray(cameras.intrinsics, np.float64)
  if not np.isfinite(intrinsics).all():
    raise InputError(f"{source}: intrinsics: NaN or Inf; correct them")
  focal = intrinsics[:, [0, 1], [0, 1]] * [size[1], size[0]]
  if focal.min() <= 0:
    raise InputError(
      f"{source}: intrinsics: focal lengths must be positive; correct them"
    )
  centre = intrinsics[:, :2, 2]
  if centre.min() < -1 or centre.max() > 2:
    raise InputError(
      f"{source}: intrinsics: the principal point {centre[0].tolist()} is far"
      " outside the image; are these pixels?"
    )
  aspect = float(np.median(focal[:, 0] / focal[:, 1]))
  if not 1 / _MAX_ASPECT < aspect < _MAX_ASPECT:
    raise InputError(
      f"{source}: intrinsics: pixels would be {aspect:.2f} times as wide as"
      " high; are width and height swapped?"
    )
  frame, ratio = jump(cameras.extrinsics)
  if 0 < max_jump < ratio:
    raise InputError(
      f"{source}: the camera jumps {ratio:.0f} times its usual step at frame"
      f" {frame}; remove the scene, or raise --max-jump"
    )


def jump(extrinsics: np.ndarray) -> tuple[int, float]:
  """Largest step of a path [T, 4, 4], as (frame after it, times the usual).

  The usual step is the median; where the camera mostly stands still, a
  hundredth of its extent. Clips of a few frames have none: (0, 0.0).
  """
  positions = np.asarray(extrinsics, np.float64)[:, :3, 3]
  steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
  extent = np.linalg.norm(np.ptp(positions, axis=0))
  if len(steps) < _MIN_STEPS or extent == 0:
    return 0, 0.0
  usual = max(float(np.median(steps)), _STILL * float(extent))
  frame = int(np.argmax(steps))
  return frame + 1, float(steps[frame]) / usual
