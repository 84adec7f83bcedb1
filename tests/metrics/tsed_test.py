"""TSED tells true poses from wrong ones, the warped error true colours."""

import numpy as np
import pytest

from scenetok_jax.geometry.epipolar import (
  fundamental_matrix,
  symmetric_epipolar_distance,
)
from scenetok_jax.metrics.metric import Video
from scenetok_jax.metrics.warp import warp_error
from scenetok_jax.types import Cameras

SIZE, DEPTH = 96, 2.0


@pytest.fixture(scope="module")
def video() -> Video:
  """A textured wall at DEPTH, seen by a camera that slides by whole pixels."""
  rng = np.random.default_rng(0)
  steps = np.array([0, 6, 12, 18])
  wall = rng.integers(0, 255, (SIZE // 4, SIZE // 2, 3), dtype=np.uint8)
  wall = np.kron(wall, np.ones((4, 4, 1), np.uint8))
  images = np.stack([wall[:SIZE, step : step + SIZE] for step in steps])
  poses = np.tile(np.eye(4, dtype=np.float32), (len(steps), 1, 1))
  poses[:, 0, 3] = steps / SIZE * DEPTH  # a focal length of one width
  lens = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], np.float32)
  cameras = Cameras(poses, np.tile(lens, (len(steps), 1, 1)))
  depth = np.full(images.shape[:3], DEPTH, np.float32)
  return Video(images, cameras, depth)


def turned(video: Video) -> Video:
  """The same frames, said to be seen by a camera that moves upwards."""
  poses = np.array(video.cameras.extrinsics)
  poses[:, [0, 1], 3] = poses[:, [1, 0], 3]
  cameras = Cameras(poses, video.cameras.intrinsics)
  return Video(video.images, cameras, video.depth)


def test_distances_by_hand():
  poses = np.tile(np.eye(4), (2, 1, 1))
  poses[1, 0, 3] = 1.0
  lens = np.tile(np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]), (2, 1, 1))
  matrix = fundamental_matrix(Cameras(poses, lens), 0, 1, (100, 100))
  # Sideways motion: lines are rows, so only the rows' difference counts.
  first, second = (
    np.array([[10.0, 20], [30, 40]]),
    np.array([[5.0, 20], [9, 43]]),
  )
  np.testing.assert_allclose(
    symmetric_epipolar_distance(matrix, first, second), [0, 3], atol=1e-9
  )


def test_true_poses_are_consistent_and_wrong_ones_are_not(video):
  pytest.importorskip("cv2", reason="pip install -e '.[dev]'")
  from scenetok_jax.metrics.tsed import tsed

  assert tsed(video).tolist() == [1, 1, 1]
  assert tsed(turned(video)).tolist() == [0, 0, 0]
  # Frames without a feature match nothing.
  grey = Video(np.full_like(video.images, 127), video.cameras)
  assert tsed(grey).tolist() == [0, 0, 0]


def test_warped_error_is_zero_of_a_rigid_scene_alone(video):
  assert warp_error(video) == pytest.approx([0, 0, 0], abs=1e-6)
  assert (warp_error(turned(video)) > 0.1).all()
  shift = np.array([0, 51, 0, 51], np.uint8)[:, None, None, None]
  dark = (video.images // 2) + shift
  found = warp_error(Video(dark, video.cameras, video.depth))
  assert found == pytest.approx([0.2, 0.2, 0.2], abs=1e-6)


def test_pairs_that_share_nothing_cannot_be_judged(video):
  poses = np.array(video.cameras.extrinsics)
  poses[:, 0, 3] *= 100
  apart = Cameras(poses, video.cameras.intrinsics)
  assert np.isnan(warp_error(Video(video.images, apart, video.depth))).all()


def test_what_is_hidden_is_not_compared(video):
  """A nearer surface in the first frame covers what the second shows."""
  depth = np.array(video.depth)
  depth[0, :, : SIZE // 2] = DEPTH / 2
  images = np.array(video.images)
  images[0, :, : SIZE // 2] = 0
  found = warp_error(Video(images, video.cameras, depth))
  assert found == pytest.approx([0, 0, 0], abs=1e-6)
