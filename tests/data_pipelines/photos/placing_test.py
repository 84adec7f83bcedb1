"""Estimates are turned level, and get the size that is asked for."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_pipelines.photos.options import Scale
from data_pipelines.photos.placing import level_rotation, similarity, up_vector


def _cameras(yaws, pitch=0.0, roll=0.0):
  """Camera-to-world [T 4 4] of a world whose y is down; degrees."""
  poses = np.tile(np.eye(4), (len(yaws), 1, 1))
  for pose, yaw in zip(poses, yaws, strict=True):
    angles = [yaw, -pitch, roll]  # about y, then x, then the axis
    pose[:3, :3] = Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()
  return poses


def _turned(poses, seed=3):
  """The same cameras in another world, and that world's up."""
  turn = Rotation.random(random_state=seed).as_matrix()
  moved = np.array(poses)
  moved[:, :3, :3] = turn @ poses[:, :3, :3]
  moved[:, :3, 3] = poses[:, :3, 3] @ turn.T
  return moved, turn @ [0, -1, 0]


def _degrees(a, b):
  return np.degrees(np.arccos(np.clip(a @ b, -1, 1)))


@pytest.mark.parametrize(
  ("yaws", "pitch", "worst"),
  [
    (range(0, 360, 30), -40, 0.01),  # around something, looking down
    (range(0, 100, 10), -30, 3.0),  # a quarter of that
    ([0, 0, 0], 0, 0.01),  # straight ahead: up is the cameras' own
  ],
)
def test_up_is_where_level_cameras_have_it(yaws, pitch, worst):
  poses, up = _turned(_cameras(list(yaws), pitch))
  assert _degrees(up_vector(poses), up) < worst


def test_a_mean_of_up_vectors_alone_would_lean():
  poses, up = _turned(_cameras(list(range(0, 100, 10)), -30))
  mean = -poses[:, :3, 1].mean(axis=0)
  assert _degrees(mean / np.linalg.norm(mean), up) > 20


def test_the_world_is_level_and_right_handed():
  poses, up = _turned(_cameras([0, 40, 80]))
  rotation = level_rotation(poses)
  np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
  assert np.linalg.det(rotation) > 0.99
  np.testing.assert_allclose(rotation @ up, [0, -1, 0], atol=1e-6)
  ahead = rotation @ poses[0, :3, 2]
  assert abs(ahead[0]) < 1e-6 and ahead[2] > 0.99


def test_cameras_that_look_straight_down_have_a_world_too():
  poses, _ = _turned(_cameras([0, 90, 180, 270], pitch=-90))
  assert np.isfinite(level_rotation(poses)).all()


@pytest.mark.parametrize(
  ("scale", "factor"), [(Scale(2.5, None), 0.5), (Scale(None, 3.0), 3.0)]
)
def test_size_and_middle_are_as_asked(scale, factor):
  poses = _cameras([0, 30, 60])
  poses[:, :3, 3] = np.random.default_rng(0).normal(0, 9, (3, 3))
  poses, _ = _turned(poses)
  found = similarity(poses, 5.0, scale)
  assert found.scale == factor
  moved = found.scale * poses[:, :3, 3] @ found.rotation.T + found.shift
  np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-9)
  spread = np.linalg.norm(moved[0] - moved[1])
  before = np.linalg.norm(poses[0, :3, 3] - poses[1, :3, 3])
  assert spread == pytest.approx(factor * before)
