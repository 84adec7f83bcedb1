"""Numbers about a clip's cameras that tell whether it can be trained on."""

from typing import Any

import numpy as np

from scenetok_jax.geometry.cameras import view_angles
from scenetok_jax.types import Cameras

_MOST = 256  # frames that are compared pairwise
# Chosen pairs see the same things: axes this close (degrees), and not more
# than this share of the clip's frames and of its extent apart.
_PAIR_ANGLE = 15.0
_PAIR_SHARE = 8


def describe(cameras: Cameras, size: tuple[int, int]) -> dict[str, Any]:
  """Statistics of cameras [T] of images of `size` (h, w), as JSON.

  Lengths are in the source's unit, angles in degrees. baseline_median and
  baseline_max are over all pairs of frames, angle_max between optical axes;
  turn is the sum of the rotations from frame to frame. step_max_frame is the
  frame after the largest step.
  """
  poses = np.asarray(cameras.extrinsics, np.float64)
  intrinsics = np.asarray(cameras.intrinsics, np.float64)
  height, width = size
  chosen = poses[_spread(len(poses), _MOST)]
  distances = _distances(chosen[:, :3, 3])
  upper = distances[np.triu_indices(len(chosen), 1)]
  steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
  middle = np.median(intrinsics, axis=0)
  focal = np.array([middle[0, 0], middle[1, 1]])
  spread = np.ptp(intrinsics, axis=0).max()
  return {
    "path_length": float(steps.sum()),
    "step_median": _or_zero(np.median, steps),
    "step_max": _or_zero(np.max, steps),
    "step_max_frame": int(np.argmax(steps)) + 1 if len(steps) else 0,
    "baseline_median": _or_zero(np.median, upper),
    "baseline_max": _or_zero(np.max, upper),
    "angle_max": float(view_angles(chosen).max()),
    "turn": float(_turns(poses).sum()),
    "focal": focal.tolist(),
    "focal_pixels": (focal * [width, height]).tolist(),
    "centre": middle[:2, 2].tolist(),
    "field_of_view": np.degrees(2 * np.arctan(0.5 / focal)).tolist(),
    "intrinsics_spread": float(spread),
  }


def top_view(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
  """Positions and viewing directions [T, 2] seen along the cameras' mean up.

  The first camera is at 0; the second axis points to where it looks.
  """
  poses = np.asarray(cameras.extrinsics, np.float64)
  up = -poses[:, :3, 1].mean(axis=0)
  length = np.linalg.norm(up)
  # Cameras all around an object may cancel out: take the first one's up.
  up = up / length if length > 0.1 else -poses[0, :3, 1]
  ahead = poses[0, :3, 2] - up * (poses[0, :3, 2] @ up)
  if np.linalg.norm(ahead) < 1e-3:  # it looks straight down
    ahead = poses[0, :3, 0] - up * (poses[0, :3, 0] @ up)
  ahead = ahead / np.linalg.norm(ahead)
  plane = np.stack([np.cross(ahead, up), ahead])
  positions = poses[:, :3, 3] - poses[0, :3, 3]
  return positions @ plane.T, poses[:, :3, 2] @ plane.T


def choose_pair(cameras: Cameras) -> tuple[int, int]:
  """Two frames that share their view, as far apart as that allows."""
  poses = np.asarray(cameras.extrinsics, np.float64)
  frames = _spread(len(poses), _MOST)
  angles = view_angles(poses[frames])
  apart = frames[None] - frames[:, None]
  near = (angles <= _PAIR_ANGLE) & (apart > 0)
  near &= apart <= max(1, len(poses) // _PAIR_SHARE)
  if not near.any():
    return 0, 1
  distances = _distances(poses[frames, :3, 3])
  close = near & (distances <= distances.max() / _PAIR_SHARE)
  if (distances * close).any():
    best = np.argmax(distances * close)
  else:  # all that are apart are far apart: the nearest of them
    best = np.argmin(np.where(near & (distances > 0), distances, np.inf))
  first, second = np.unravel_index(int(best), distances.shape)
  return int(frames[first]), int(frames[second])


def _distances(positions: np.ndarray) -> np.ndarray:
  return np.linalg.norm(positions[:, None] - positions[None], axis=-1)


def _turns(poses: np.ndarray) -> np.ndarray:
  """Angle of the rotation between consecutive frames [T - 1], degrees."""
  relative = np.einsum("tji,tjk->tik", poses[:-1, :3, :3], poses[1:, :3, :3])
  cosine = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
  return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _spread(count: int, most: int) -> np.ndarray:
  """At most `most` of 0 .. count - 1, evenly spread, first and last."""
  return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def _or_zero(function: Any, values: np.ndarray) -> float:
  return float(function(values)) if len(values) else 0.0
