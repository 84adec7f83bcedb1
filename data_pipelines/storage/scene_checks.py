"""What a scene must be like to be written; says what is wrong otherwise."""

import numpy as np

from scenetok_jax.geometry import camera_checks
from scenetok_jax.types import Cameras, InputError

# Median step between frames that counts as no motion, of the clip's extent.
_STILL = 0.01
_MIN_STEPS = 7  # fewer steps say nothing about what is usual


def check_cameras(
  cameras: Cameras, size: tuple[int, int], source: str, max_jump: float
) -> None:
  """InputError unless cameras [T] of images of `size` (h, w) are usable.

  max_jump: see `jump`; 0 allows any.
  """
  camera_checks.check_cameras(
    cameras.extrinsics,
    cameras.intrinsics,
    source,
    names=("pose", "intrinsics"),
    size=size,
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
