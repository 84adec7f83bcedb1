"""Camera paths."""

import numpy as np
import pytest

from scenetok_jax.geometry import trajectories
from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.geometry.cameras import invert, view_angles
from scenetok_jax.types import InputError
from tests.geometry.poses import random_poses, ring
from tests.goldens import assert_close, load_case


@pytest.mark.parametrize("n", [4, 5, 7, 13])
def test_interpolation_has_the_promised_length_and_holds_the_keys(n):
  keys = random_poses(n, 4)
  path = trajectories.interpolate(keys, n)
  assert path.shape == (n + 3, 4, 4) and path.dtype == np.float32
  check_rigid(path, "path")
  gaps = np.abs(path[:, None] - keys[None]).max(axis=(-1, -2)).min(axis=0)
  np.testing.assert_allclose(gaps, 0, atol=1e-6)
  np.testing.assert_allclose(path[[0, -1]], keys[[0, -1]], atol=1e-6)


def test_interpolation_is_even_inside_a_segment():
  path = trajectories.interpolate(random_poses(0, 2), 5)
  steps = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=-1)
  np.testing.assert_allclose(steps, steps[0], rtol=1e-5)
  turns = np.diagonal(view_angles(path), offset=1)
  relative = np.swapaxes(path[:-1, :3, :3], 1, 2) @ path[1:, :3, :3]
  trace = np.trace(relative, axis1=1, axis2=2)
  np.testing.assert_allclose(trace, trace[0], atol=1e-5)
  assert (turns > 0).all()


@pytest.mark.parametrize("keys, n", [(4, 3), (1, 5)])
def test_too_few_samples_or_keys_are_refused(keys, n):
  with pytest.raises(InputError, match="trajectory"):
    trajectories.interpolate(random_poses(1, keys), n)


@pytest.mark.parametrize("n", [4, 7, 13])
def test_matches_release_interpolation(n):
  case = load_case("geometry")
  for keys, expected in zip(
    case.inputs["context"], case.outputs[f"interpolated_{n}"], strict=True
  ):
    assert_close(trajectories.interpolate(keys, n), expected, 2e-6)


def test_spline_passes_through_its_keys_smoothly():
  keys = ring(5)
  path = trajectories.spline(keys, 41)
  assert path.shape == (41, 4, 4)
  check_rigid(path, "path")
  np.testing.assert_allclose(path[::10], keys, atol=1e-5)
  bend = np.diff(path[:, :3, 3], n=2, axis=0)
  assert np.linalg.norm(bend, axis=-1).max() < 0.01


def test_look_at_point_is_where_the_axes_meet():
  np.testing.assert_allclose(
    trajectories.look_at_point(ring(6)), [0.5, 0, 1], atol=1e-5
  )


def test_look_at_point_of_outward_or_parallel_cameras_lies_ahead():
  outward = ring(6)
  outward[:, :3, 3] = np.array([0.5, 0, 1]) + 2 * outward[:, :3, 2]
  parallel = np.tile(np.eye(4), (3, 1, 1))
  parallel[:, 0, 3] = [0, 1, 2]
  for poses in (outward, parallel, parallel[:1]):
    point = trajectories.look_at_point(poses)
    ahead = (point - poses[:, :3, 3].mean(0)) @ poses[:, :3, 2].mean(0)
    assert np.isfinite(point).all() and ahead > 0.5


def test_orbit_keeps_distance_and_gaze():
  keys = ring(6)
  path = trajectories.orbit(keys, 24, index=2)
  check_rigid(path, "path")
  np.testing.assert_allclose(path[0], keys[2], atol=1e-5)
  to_centre = np.array([0.5, 0, 1]) - path[:, :3, 3]
  np.testing.assert_allclose(to_centre, 2 * path[:, :3, 2], atol=1e-4)
  # A full turn loops: the step from last to first equals the others.
  steps = np.linalg.norm(path - np.roll(path, 1, axis=0), axis=(1, 2))
  np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_partial_orbit_turns_by_the_given_angle():
  path = trajectories.orbit(ring(6), 5, degrees=60)
  assert view_angles(path)[0, -1] == pytest.approx(60, abs=1e-3)


def test_a_dolly_moves_ahead_without_turning():
  pose = random_poses(2)
  path = trajectories.dolly(pose, 1.5, 4)
  local = invert(pose) @ path
  expected = np.zeros((4, 3))
  expected[:, 2] = [0, 0.5, 1.0, 1.5]
  np.testing.assert_allclose(local[:, :3, 3], expected, atol=1e-5)
  np.testing.assert_array_equal(
    path[:, :3, :3], np.tile(pose[:3, :3], (4, 1, 1))
  )


def test_pan_looks_to_both_sides_in_place():
  pose = random_poses(4)
  path = trajectories.pan(pose, 90, 8)
  check_rigid(path, "path")
  np.testing.assert_allclose(path[0], pose, atol=1e-6)
  np.testing.assert_allclose(
    path[:, :3, 3], np.tile(pose[:3, 3], (8, 1)), atol=1e-6
  )
  local = invert(pose) @ path
  # Forward axis in the first camera: left (negative x) first, then right.
  np.testing.assert_allclose(local[2, 0, 2], -np.sin(np.pi / 4), atol=1e-5)
  np.testing.assert_allclose(local[6, 0, 2], np.sin(np.pi / 4), atol=1e-5)


def test_shift_right_moves_every_camera_to_its_own_right():
  keys = ring(5)
  moved = trajectories.shift_right(keys, 0.7)
  local = np.stack([invert(a) @ b for a, b in zip(keys, moved, strict=True)])
  np.testing.assert_allclose(
    local[:, :3, 3], np.tile([0.7, 0, 0], (5, 1)), atol=1e-5
  )


def test_turning_around_a_point_keeps_it_in_the_middle():
  pose = random_poses(5)
  point = pose[:3, 3] + 2 * pose[:3, 2]
  path = trajectories.turn_around(pose, point, 60, 5)
  np.testing.assert_allclose(path[0], pose, atol=1e-5)
  np.testing.assert_allclose(
    path[:, :3, 3] + 2 * path[:, :3, 2], np.tile(point, (5, 1)), atol=1e-4
  )


def test_extent_of_one_place_is_one():
  assert trajectories.extent(random_poses(1, 1)) == 1.0
  path = trajectories.dolly(random_poses(6), 3.0, 4)
  assert trajectories.extent(path) == pytest.approx(3.0, rel=1e-5)
