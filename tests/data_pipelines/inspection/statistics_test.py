"""Statistics of a camera path against values worked out by hand."""

import numpy as np
import pytest

from data_pipelines.inspection import statistics
from scenetok_jax.types import Cameras


def _walk(steps, degrees=0.0):
  """A walk along x that looks along z, turning a little with each step."""
  frames = len(steps) + 1
  poses = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
  poses[1:, 0, 3] = np.cumsum(steps)
  angles = np.radians(degrees) * np.arange(frames)
  poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angles)
  poses[:, 0, 2], poses[:, 2, 0] = np.sin(angles), -np.sin(angles)
  intrinsics = np.array([[0.5, 0, 0.5], [0, 1.0, 0.4], [0, 0, 1]], np.float32)
  return Cameras(poses, np.tile(intrinsics, (frames, 1, 1)))


def test_lengths_angles_and_focal_lengths():
  found = statistics.describe(_walk([1, 1, 3, 1], 10), (100, 200))
  expected = {
    "path_length": 6, "step_median": 1, "step_max": 3, "step_max_frame": 3,
    "baseline_median": 3.5, "baseline_max": 6, "angle_max": 40, "turn": 40,
    "focal": [0.5, 1], "focal_pixels": [100, 100], "centre": [0.5, 0.4],
    "field_of_view": [90, 2 * np.degrees(np.arctan(0.5))],
    "intrinsics_spread": 0,
  }  # fmt: skip
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)


def test_one_frame_has_no_motion():
  found = statistics.describe(_walk([]), (10, 10))
  assert found["path_length"] == found["step_max"] == found["baseline_max"] == 0
  assert found["step_max_frame"] == 0


@pytest.mark.parametrize("tilt", [0.0, 35.0])
def test_the_top_view_does_not_depend_on_the_frame_of_the_world(tilt):
  cameras = _walk([1, 2], 30)
  turn = np.radians(tilt)
  world = np.eye(4)
  world[1, 1] = world[2, 2] = np.cos(turn)
  world[1, 2], world[2, 1] = -np.sin(turn), np.sin(turn)
  world[:3, 3] = 4, -2, 7  # the first camera is at 0 wherever it stood
  turned = Cameras(world @ cameras.extrinsics, cameras.intrinsics)
  positions, directions = statistics.top_view(turned)
  np.testing.assert_allclose(positions, [[0, 0], [1, 0], [3, 0]], atol=1e-6)
  sides = np.sin(np.radians([0, 30, 60])), np.cos(np.radians([0, 30, 60]))
  np.testing.assert_allclose(directions, np.stack(sides, 1), atol=1e-6)


def test_looking_down_has_a_top_view_too():
  cameras = _walk([1, 1])
  down = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
  mixed = np.concatenate([cameras.extrinsics @ down, cameras.extrinsics])
  positions, _ = statistics.top_view(Cameras(mixed, cameras.intrinsics))
  assert np.isfinite(positions).all() and np.ptp(positions) > 1


def test_pairs_are_apart_but_look_the_same_way():
  cameras = _walk([1.0] * 59, 2)
  first, second = statistics.choose_pair(cameras)
  assert second - first == 7  # 60 // 8; 2 degrees each are 14 in all
  assert statistics.choose_pair(_walk([1, 1], 90)) == (0, 1)
  still = _walk([0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])
  first, second = statistics.choose_pair(still)
  assert first <= 8 < second


def test_pairs_of_a_long_path_are_near_each_other():
  """Wide steps between few frames: neighbours at most share what they see."""
  cameras = _walk([1.0] * 15 + [0.3] + [1.0] * 15)
  assert statistics.choose_pair(cameras)[1] < 31
  first, second = statistics.choose_pair(cameras)
  position = cameras.extrinsics[:, 0, 3]
  assert 0 < position[second] - position[first] <= np.ptp(position) / 8
