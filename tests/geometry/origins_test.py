"""Positions in map coordinates keep their millimetres."""

import numpy as np
import pytest

from scenetok_jax.geometry import origins
from tests.geometry.poses import ring

_MAP = np.array([448262.5, 5411932.25, 120.0])


@pytest.mark.parametrize("offset", [_MAP, 1e3 * np.ones(3), [6.4e6, 1e5, 4e6]])
def test_relative_positions_survive_float32(offset):
  true = ring(12)
  far = origins.moved(true, -np.asarray(offset))
  origin = origins.clip_origin(far)
  np.testing.assert_array_equal(origin, far[0, :3, 3])
  kept = origins.moved(far, origin).astype(np.float32).astype(np.float64)
  steps = kept[:, :3, 3] - kept[6, :3, 3]
  expected = true[:, :3, 3] - true[6, :3, 3]
  assert np.abs(steps - expected).max() < 1e-6
  rounded = far.astype(np.float32).astype(np.float64)
  lost = rounded[:, :3, 3] - rounded[6, :3, 3] - expected
  assert np.abs(lost).max() > 1e-6  # what the offset is for
  assert origins.note(origin)


@pytest.mark.parametrize("offset", [[0, 0, 0], [0.5, -1, 2], [3, 0, 0]])
def test_usual_clips_stay_where_they_are(offset):
  poses = origins.moved(ring(12), -np.asarray(offset, float))
  origin = origins.clip_origin(poses)
  np.testing.assert_array_equal(origin, np.zeros(3))
  np.testing.assert_array_equal(origins.moved(poses, origin), poses)
  assert not origins.note(origin)


def test_poses_that_are_nan_do_not_count():
  poses = np.full((3, 4, 4), np.nan)
  np.testing.assert_array_equal(origins.clip_origin(poses), np.zeros(3))
