"""Pose conventions, reference frames and angles."""

import jax
import numpy as np
import pytest

from scenetok_jax.geometry import cameras as cams
from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.types import Cameras
from tests.geometry.poses import cameras, random_poses
from tests.goldens import assert_close, load_case


def test_invert_undoes_a_pose_in_numpy_and_jax():
  poses = random_poses(0, 2, 5)
  inverse = cams.invert(poses)
  assert isinstance(inverse, np.ndarray) and inverse.dtype == np.float32
  np.testing.assert_allclose(
    inverse @ poses, np.broadcast_to(np.eye(4), poses.shape), atol=1e-6
  )
  np.testing.assert_allclose(jax.jit(cams.invert)(poses), inverse, atol=1e-6)


def test_invert_is_general_and_matches_numpy_on_scaled_poses():
  poses = random_poses(1, 6)
  poses[:, :3, :3] *= np.linspace(0.5, 2, 6)[:, None, None]
  np.testing.assert_allclose(
    cams.invert(poses.astype(np.float64)), np.linalg.inv(poses), atol=1e-5
  )


def test_reference_view_becomes_the_identity():
  poses = random_poses(2, 3, 4)
  relative = jax.jit(cams.relative_to)(cameras(poses), poses[:, 1])
  assert relative.extrinsics.dtype == np.float32
  np.testing.assert_allclose(
    relative.extrinsics[:, 1], np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-6
  )


def test_relative_poses_do_not_depend_on_the_world_frame():
  poses, world = random_poses(3, 4), random_poses(4)
  expected = cams.relative_to(cameras(poses), poses[2]).extrinsics
  moved = world @ poses
  actual = cams.relative_to(cameras(moved), moved[2]).extrinsics
  np.testing.assert_allclose(actual, expected, atol=3e-6)


def test_opengl_conversion_is_its_own_inverse_and_keeps_positions():
  poses = random_poses(5, 3)
  converted = cams.from_opengl(poses)
  np.testing.assert_array_equal(converted[..., 3], poses[..., 3])
  np.testing.assert_array_equal(converted[:, :3, 2], -poses[:, :3, 2])
  np.testing.assert_array_equal(cams.from_opengl(converted), poses)


def test_flip_twice_is_the_identity_and_stays_rigid():
  views = cameras(random_poses(6, 4))
  flipped = cams.flip(views)
  check_rigid(flipped.extrinsics, "flipped")
  np.testing.assert_array_equal(cams.flip(flipped).extrinsics, views.extrinsics)


def test_flip_mirrors_projected_points():
  views = cameras(random_poses(7, 1))
  flipped = cams.flip(views)
  point = views.extrinsics[0] @ np.array([0.3, -0.2, 2.0, 1.0])
  mirrored = point * [-1, 1, 1, 1]

  def project(view, world):
    local = cams.invert(view.extrinsics[0]) @ world
    pixel = view.intrinsics[0] @ local[:3]
    return pixel[:2] / pixel[2]

  x, y = project(views, point)
  np.testing.assert_allclose(project(flipped, mirrored), [1 - x, y], atol=1e-5)


def test_view_angles_are_exact_at_known_turns():
  poses = np.tile(np.eye(4), (3, 1, 1))
  poses[1, :3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
  poses[2, :3, :3] = np.diag([-1, 1, -1])
  expected = [[0, 90, 180], [90, 0, 90], [180, 90, 0]]
  np.testing.assert_allclose(cams.view_angles(poses), expected, atol=1e-9)


@pytest.mark.parametrize("reference", [0, 2])
def test_matches_release_relative_poses(reference):
  case = load_case("geometry")
  for name in ("context", "target"):
    views = Cameras(case.inputs[name], None)
    relative = cams.relative_to(views, case.inputs["context"][:, reference])
    assert_close(
      relative.extrinsics, case.outputs[f"preprocess_{reference}_{name}"], 1e-6
    )


def test_matches_release_reflection():
  case = load_case("geometry")
  flipped = cams.flip(Cameras(case.inputs["context"], None))
  np.testing.assert_array_equal(flipped.extrinsics, case.outputs["reflected"])
