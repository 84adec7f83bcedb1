"""Choosing views that are spread over a scene: farthest-point sampling."""

import numpy as np

from scenetok_jax.types import Array, InputError

_COSINE_MARGIN = 1e-6
_AXIS_EPSILON = 1e-9


def rotation_log(rotation: np.ndarray) -> np.ndarray:
  """Rotations [..., 3, 3] -> axis times angle [..., 3], radians.

  The clamp and the epsilon are the release's: angles below 1.4e-3 give a
  vector that is too long or zero, which decides no choice of views.
  """
  trace: np.ndarray = (
    rotation[..., 0, 0] + rotation[..., 1, 1] + rotation[..., 2, 2]
  )
  limit = 1 - _COSINE_MARGIN
  angle = np.arccos(np.clip((trace - 1) / 2, -limit, limit))
  skew = rotation - np.swapaxes(rotation, -1, -2)
  axis = np.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], axis=-1)
  norm = np.sqrt(_square(axis))
  return axis * (angle / (norm + _AXIS_EPSILON))[..., None]


def pose_distances(extrinsics: Array) -> np.ndarray:
  """[V, 4, 4] -> [V, V] squared distances of position plus rotation.

  |t_i - t_j|^2 + |log(R_i^T R_j)|^2; the two terms are not weighted
  (release: view samplers, "farthest_point").
  """
  poses = np.asarray(extrinsics, np.float64)
  rotations, positions = poses[:, :3, :3], poses[:, :3, 3]
  offsets = positions[:, None] - positions[None]
  relative = np.einsum("ika,jkb->ijab", rotations, rotations, optimize=True)
  return _square(offsets) + _square(rotation_log(relative))


def _distances_from(poses: np.ndarray, view: int) -> np.ndarray:
  """[V, 4, 4] -> [V]: one row of `pose_distances`."""
  offsets = poses[view, :3, 3] - poses[:, :3, 3]
  relative = poses[view, :3, :3].T @ poses[:, :3, :3]
  return _square(offsets) + _square(rotation_log(relative))


def _square(vectors: np.ndarray) -> np.ndarray:
  # Sums over an axis of three are slow.
  return np.einsum("...c,...c->...", vectors, vectors)


def farthest_point(extrinsics: Array, count: int, first: int) -> np.ndarray:
  """Picks `count` of the views [V, 4, 4] far from each other, sorted int64.

  Starts from view `first`, then adds again and again the view farthest from
  those chosen (the first one among equals). A count above V gives duplicates,
  as in the release.
  """
  views = len(extrinsics)
  if count < 1 or not 0 <= first < views:
    raise InputError(
      f"farthest_point: count {count} and first {first} must be at least 1"
      f" and inside the {views} views"
    )
  poses = np.asarray(extrinsics, np.float64)
  chosen = [first]
  nearest = _distances_from(poses, first)
  while len(chosen) < count:
    chosen.append(int(np.argmax(nearest)))
    if len(chosen) < count:
      # Only these rows: all pairs would take longer than reading the views.
      nearest = np.minimum(nearest, _distances_from(poses, chosen[-1]))
  return np.sort(np.array(chosen, np.int64))
