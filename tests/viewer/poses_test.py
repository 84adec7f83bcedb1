"""The page's cameras are ours: axes, quaternions, fields of view."""

import math

import numpy as np
import pytest

from scenetok_jax import Scene
from scenetok_jax.viewer import poses
from tests.geometry.poses import cameras, ring


@pytest.fixture(scope="module")
def scene():
  context = cameras(ring(5), 0.8)
  tokens = np.zeros((4, 2), np.float32)
  return Scene("s", tokens, context.extrinsics[2], context, "m", "c")


def test_a_camera_there_and_back():
  pose = np.asarray(ring(4)[3], np.float64)
  found = poses.cameras(
    poses.quaternion(pose[:3, :3]), pose[:3, 3], math.radians(60)
  )
  np.testing.assert_allclose(found.extrinsics[0], pose, atol=1e-6)
  assert poses.field_of_view(found.intrinsics[0]) == pytest.approx(
    math.radians(60)
  )


def test_a_quaternion_has_its_real_part_first():
  turn = poses.rotation([math.cos(0.2), 0, math.sin(0.2), 0])  # about y: 0.4
  np.testing.assert_allclose(
    turn @ [0, 0, 1], [math.sin(0.4), 0, math.cos(0.4)], atol=1e-12
  )


def test_the_edge_of_the_square_is_half_a_field_of_view_away():
  camera = poses.cameras([1, 0, 0, 0], [1, 2, 3], math.radians(80))
  ray = np.linalg.inv(camera.intrinsics[0]) @ [0.5, 1.0, 1.0]
  assert math.degrees(math.atan2(ray[1], ray[2])) == pytest.approx(40)
  np.testing.assert_array_equal(camera.extrinsics[0, :3, 3], [1, 2, 3])


def test_a_scene_is_first_seen_as_its_middle_view(scene):
  stand = poses.first_stand(scene)
  pose = scene.reference
  np.testing.assert_allclose(stand.position, pose[:3, 3])
  ahead = stand.look_at - stand.position
  np.testing.assert_allclose(
    ahead / np.linalg.norm(ahead), pose[:3, 2], atol=1e-6
  )
  np.testing.assert_allclose(stand.up, -pose[:3, 1])
  assert 2 * math.tan(stand.fov / 2) * 0.96 == pytest.approx(1)
  # What the ring looks at is what the camera turns around.
  point = poses.trajectories.look_at_point(scene.context.extrinsics)
  np.testing.assert_allclose(stand.look_at, point, atol=1e-3)


def test_up_is_the_mean_of_the_views(scene):
  up = poses.up_direction(scene)
  assert np.linalg.norm(up) == pytest.approx(1)
  assert np.all(-scene.context.extrinsics[:, :3, 1] @ up > 0.5)
