"""The page's cameras and ours: both OpenCV axes, theirs as quaternions.

The page tells a vertical field of view and the shape of its window; the
networks draw squares. A square as high as the window is drawn: what a wide
window has beside it stays empty, and a narrow one shows its middle.
"""

import dataclasses
import math

import numpy as np

from scenetok_jax.geometry import trajectories
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import Array, Cameras


@dataclasses.dataclass(frozen=True)
class Stand:
  """A camera as the page takes it: where it is, what it turns around.

  position, look_at, up: [3]. fov: vertical, radians.
  """

  position: np.ndarray
  look_at: np.ndarray
  up: np.ndarray
  fov: float


def lens(fov: float) -> np.ndarray:
  """Vertical field of view in radians -> intrinsics [3 3] of a square."""
  focal = 0.5 / math.tan(fov / 2)
  return np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], np.float32)


def field_of_view(intrinsics: Array) -> float:
  """Intrinsics [3 3] -> vertical field of view in radians."""
  return 2 * math.atan(0.5 / float(intrinsics[1, 1]))


def rotation(wxyz: Array) -> np.ndarray:
  """A quaternion [4], real part first -> [3 3]."""
  from scipy.spatial.transform import Rotation  # late, as in trajectories

  return Rotation.from_quat(np.asarray(wxyz), scalar_first=True).as_matrix()


def quaternion(matrix: Array) -> np.ndarray:
  """The inverse of `rotation`, up to its sign."""
  from scipy.spatial.transform import Rotation

  return Rotation.from_matrix(np.asarray(matrix)).as_quat(scalar_first=True)


def cameras(wxyz: Array, position: Array, fov: float) -> Cameras:
  """The page's camera -> that of the square [1]; fov: vertical, radians."""
  pose = np.eye(4)
  pose[:3, :3] = rotation(wxyz)
  pose[:3, 3] = position
  return Cameras(pose[None], lens(fov)[None])


def stand(pose: Array, intrinsics: Array, distance: float) -> Stand:
  """A camera [4 4], [3 3] that turns around a point ahead of it."""
  pose = np.asarray(pose, np.float64)
  ahead = pose[:3, 3] + max(distance, 1e-6) * pose[:3, 2]
  return Stand(pose[:3, 3], ahead, -pose[:3, 1], field_of_view(intrinsics))


def first_stand(scene: Scene) -> Stand:
  """Where a scene is looked at first: from the middle one of its views."""
  return stand(
    scene.reference,
    scene.context.intrinsics[len(scene.context.intrinsics) // 2],
    turning_distance(scene),
  )


def turning_distance(scene: Scene) -> float:
  """How far ahead a camera turns around: at what the views look at."""
  point = trajectories.look_at_point(scene.context.extrinsics)
  return float(np.linalg.norm(point - scene.reference[:3, 3]))


def up_direction(scene: Scene) -> np.ndarray:
  """[3] mean up direction of the views; the first one's if they disagree."""
  ups = -np.asarray(scene.context.extrinsics, np.float64)[:, :3, 1]
  mean = ups.mean(axis=0)
  length = float(np.linalg.norm(mean))
  return mean / length if length > 0.1 else ups[0]
