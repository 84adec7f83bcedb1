"""Epipolar lines: a point seen by two cameras lies on its line."""

import numpy as np
import pytest

from scenetok_jax.geometry import epipolar
from scenetok_jax.types import Cameras
from tests.geometry.poses import random_poses

SIZE = (90, 160)


def _views(seed=0):
  """Two cameras in front of 40 points [40, 3], and their pixels [2, 40, 2]."""
  rng = np.random.default_rng(seed)
  points = rng.uniform([-2, -1, 4], [2, 1, 9], (40, 3))
  poses = np.tile(np.eye(4), (2, 1, 1))
  poses[1, :3, :3] = _turn(0.2, 1) @ _turn(-0.1, 0)
  poses[1, :3, 3] = 0.7, -0.2, 0.4
  intrinsics = np.tile(np.eye(3), (2, 1, 1))
  intrinsics[:, 0, 0], intrinsics[:, 1, 1] = 0.9, 1.6
  intrinsics[0, :2, 2], intrinsics[1, :2, 2] = (0.5, 0.5), (0.45, 0.55)
  seen = np.einsum(
    "vji,vnj->vni", poses[:, :3, :3], points[None] - poses[:, None, :3, 3]
  )
  pixels = np.einsum("vij,vnj->vni", intrinsics, seen / seen[..., 2:])
  return Cameras(poses, intrinsics), pixels[..., :2] * [SIZE[1], SIZE[0]]


def _turn(angle, axis):
  matrix = np.eye(3)
  a, b = [i for i in range(3) if i != axis]
  matrix[a, a] = matrix[b, b] = np.cos(angle)
  matrix[a, b], matrix[b, a] = np.sin(angle), -np.sin(angle)
  return matrix


def test_matched_pixels_have_no_error():
  cameras, pixels = _views()
  matrix = epipolar.fundamental_matrix(cameras, 0, 1, SIZE)
  assert epipolar.sampson_error(matrix, *pixels).max() < 1e-9
  back = epipolar.fundamental_matrix(cameras, 1, 0, SIZE)
  assert epipolar.sampson_error(back, *pixels[::-1]).max() < 1e-9


def test_the_error_is_in_pixels():
  cameras, pixels = _views()
  matrix = epipolar.fundamental_matrix(cameras, 0, 1, SIZE)
  lines = np.concatenate([pixels[0], np.ones((40, 1))], 1) @ matrix.T
  normal = lines[:, :2] / np.linalg.norm(lines[:, :2], axis=1, keepdims=True)
  moved = np.stack([pixels[0], pixels[1] + 0.5 * normal])
  found = epipolar.sampson_error(matrix, *moved)
  # Moving one of two pixels of like scale by d is an error of d / sqrt(2).
  np.testing.assert_allclose(np.median(found), 0.5 / np.sqrt(2), rtol=0.15)
  assert (found < 0.5).all()


@pytest.mark.parametrize("wrong", ["inverted", "opengl", "another frame's"])
def test_wrong_conventions_are_off_by_pixels(wrong):
  cameras, pixels = _views()
  poses = cameras.extrinsics.copy()
  if wrong == "inverted":
    poses = np.linalg.inv(poses)
  elif wrong == "opengl":
    poses = poses * [1.0, -1, -1, 1]
  else:
    poses[1] = random_poses(1, 1)[0]
  matrix = epipolar.fundamental_matrix(
    Cameras(poses, cameras.intrinsics), 0, 1, SIZE
  )
  assert np.median(epipolar.sampson_error(matrix, *pixels)) > 2
