"""pycolmap finds the poses of frames of a place with texture."""

import numpy as np
import pytest
from einops import rearrange

from scenetok_jax.evaluation.pose.clip_scores import path_errors, shuffled_auc
from scenetok_jax.evaluation.pose.structure import estimate_poses
from scenetok_jax.metrics.pose import summary
from scenetok_jax.types import InputError

pytest.importorskip("pycolmap", reason="extra `colmap` is not installed")

FRAMES, HEIGHT, WIDTH = 8, 96, 128
INTRINSICS = np.array([[0.6, 0, 0.5], [0, 0.8, 0.5], [0, 0, 1]])


def path():
  """Camera-to-world [T 4 4]: half a circle inside the box, looking outwards."""
  poses = np.tile(np.eye(4), (FRAMES, 1, 1))
  for n, angle in enumerate(np.linspace(0, np.pi / 2, FRAMES)):
    c, s = np.cos(angle), np.sin(angle)
    poses[n, :3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    poses[n, :3, 3] = [
      0.5 * np.cos(2 * angle),
      0.15 * s,
      0.5 * np.sin(3 * angle),
    ]
  return poses


def picture(pose, walls):
  """uint8 [H W 3] of a box of half side 2 with a noise picture on each wall."""
  rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
  pixels = np.stack([columns / WIDTH, rows / HEIGHT, np.ones_like(rows)], -1)
  rays = pixels @ np.linalg.inv(INTRINSICS).T @ pose[:3, :3].T
  distance = np.where(rays > 0, 2 - pose[:3, 3], 2 + pose[:3, 3]) / np.abs(rays)
  axis = distance.argmin(-1)
  points = pose[:3, 3] + rays * distance.min(-1)[..., None]
  wall = 2 * axis + (np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0)
  others = np.array([[1, 2], [0, 2], [0, 1]])[axis]
  spots = np.take_along_axis(points, others, -1)  # on the wall, in [-2, 2]
  size = walls.shape[1]
  u, v = np.moveaxis(
    ((spots + 2) / 4 * size).astype(int).clip(0, size - 1), -1, 0
  )
  grey = walls[wall, u, v]
  return np.repeat(grey[..., None], 3, axis=-1)


@pytest.fixture(scope="module")
def frames():
  rng = np.random.default_rng(0)
  walls = np.zeros((6, 512, 512))
  for cell in (4, 16, 64):  # blobs of several sizes, for features of several
    noise = rng.uniform(0, 85, (6, 512 // cell, 512 // cell))
    walls += noise.repeat(cell, axis=1).repeat(cell, axis=2)
  return np.stack([picture(pose, walls.astype(np.uint8)) for pose in path()])


def intrinsics():
  return np.tile(INTRINSICS, (FRAMES, 1, 1))


def test_true_frames_have_their_poses_and_shuffled_ones_do_not(frames):
  found = estimate_poses(frames, intrinsics())
  assert found.shape == (FRAMES, 4, 4)
  assert summary(path_errors(found, path()))["auc@30"] > 0.9
  assert shuffled_auc(found, path(), 0) < 0.5
  again = estimate_poses(frames, intrinsics())
  np.testing.assert_array_equal(found, again)


def test_frames_without_features_have_no_poses():
  grey = np.full((4, HEIGHT, WIDTH, 3), 128, np.uint8)
  assert np.isnan(estimate_poses(grey, intrinsics()[:4])).all()


def test_tiny_images_are_refused():
  tiny = np.zeros((4, 8, 8, 3), np.uint8)
  with pytest.raises(InputError, match="8 x 8 pixels have no features"):
    estimate_poses(tiny, intrinsics()[:4])


def test_a_pair_of_frames_is_refused(frames):
  with pytest.raises(InputError, match=r"2 frames; .* at least 3"):
    estimate_poses(frames[:2], intrinsics()[:2])


def test_small_frames_are_enlarged_and_placed(frames):
  pairs = rearrange(frames, "t (h y) (w x) c -> t h w y x c", y=2, x=2)
  small = pairs.mean((3, 4)).astype(np.uint8)  # 48 x 64 pixels
  found = estimate_poses(small, intrinsics())
  assert np.isfinite(found).all()
  assert summary(path_errors(found, path()))["auc@30"] > 0.8
