"""Random and simple poses for the geometry tests."""

import numpy as np
from scipy.spatial.transform import Rotation

from scenetok_jax.types import Cameras


def random_poses(seed: int, *shape: int) -> np.ndarray:
  """Rigid poses [*shape, 4, 4] float32 with positions around 1."""
  rng = np.random.default_rng(seed)
  count = int(np.prod(shape))
  poses = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
  poses[:, :3, :3] = Rotation.random(count, rng).as_matrix()
  poses[:, :3, 3] = rng.normal(size=(count, 3))
  return poses.reshape(*shape, 4, 4)


def cameras(extrinsics: np.ndarray, focal: float = 0.8) -> Cameras:
  """Cameras with the principal point in the middle."""
  intrinsics = np.array(
    [[focal, 0, 0.5], [0, 1.2 * focal, 0.5], [0, 0, 1]], np.float32
  )
  shape = (*extrinsics.shape[:-2], 3, 3)
  return Cameras(extrinsics, np.broadcast_to(intrinsics, shape))


def ring(count: int, radius: float = 2.0) -> np.ndarray:
  """Cameras on a circle in the x-z plane that look at (0.5, 0, 1)."""
  poses = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
  for pose, angle in zip(
    poses, np.linspace(0, 2, count), strict=True
  ):  # radians
    forward = np.array([np.sin(angle), 0, np.cos(angle)])
    right = np.array([np.cos(angle), 0, -np.sin(angle)])
    pose[:3, :3] = np.stack([right, [0, 1, 0], forward], axis=-1)
    pose[:3, 3] = np.array([0.5, 0, 1]) - radius * forward
  return poses
