"""Where a clip's own coordinates begin: map coordinates outrun float32.

float32 has steps of half a metre at five million metres. Positions that are
far out for the size of their clip are therefore taken relative to its first
camera, in float64, before they are rounded; the offset is kept beside them.
"""

import numpy as np

from scenetok_jax.types import Cameras

_ROUNDING = 2.0**-24  # of float32, relative
# ours: a loss of less than this share of the clip's size changes no picture
_SHARE, _MOST_SHARE = 5e-7, 5e-5
_UNITS = 1e-6  # nor does one of fewer scene units, in a clip of usual size


def clip_origin(extrinsics: np.ndarray) -> np.ndarray:
  """Float64 [3], to be subtracted from positions of poses [T 4 4].

  Zeros where float32 holds them well as they are. NaN poses do not count.
  """
  positions = np.asarray(extrinsics, np.float64)[:, :3, 3]
  positions = positions[np.isfinite(positions).all(axis=-1)]
  if not len(positions):
    return np.zeros(3)
  size = np.linalg.norm(np.ptp(positions, axis=0))
  loss = np.abs(positions).max() * _ROUNDING
  coarse = loss > _UNITS or 0 < _MOST_SHARE * size < loss
  return positions[0].copy() if coarse and loss > _SHARE * size else np.zeros(3)


def moved(extrinsics: np.ndarray, origin: np.ndarray) -> np.ndarray:
  """Poses [T 4 4] float64 with origin [3] as their zero."""
  poses = np.array(extrinsics, np.float64)
  poses[..., :3, 3] -= origin
  return poses


def returned(cameras: Cameras, origin: np.ndarray) -> Cameras:
  """Cameras [T] in the coordinates that an origin was subtracted from."""
  if not np.any(origin):
    return cameras
  return Cameras(moved(cameras.extrinsics, -origin), cameras.intrinsics)


def taken(cameras: Cameras, origin: np.ndarray) -> Cameras:
  """Cameras [T] as a user has them -> relative to an origin."""
  if not np.any(origin):
    return cameras
  poses = moved(cameras.extrinsics, origin).astype(np.float32)
  return Cameras(poses, cameras.intrinsics)


def own(cameras: Cameras) -> tuple[Cameras, np.ndarray]:
  """Cameras [T] as a user has them, relative to their own origin; and that."""
  if np.shape(cameras.extrinsics)[1:] != (4, 4):
    return cameras, np.zeros(3)  # what is wrong is said where it is checked
  origin = clip_origin(cameras.extrinsics)
  return taken(cameras, origin), origin


def note(origin: np.ndarray) -> tuple[str, ...]:
  """What a report should tell of an origin [3]; nothing of zeros."""
  if not np.any(origin):
    return ()
  return (
    f"positions are relative to the first camera's, {origin.tolist()}, which"
    " float32 would round",
  )
