"""Lengths by which a scene's unit is known."""

import numpy as np
import pytest

from scenetok_jax.geometry import scale
from tests.geometry.poses import cameras, ring

POSES = ring(7)


@pytest.mark.parametrize("factor", [1e-3, 0.1, 1.0, 10.0, 1e4])
def test_baselines_grow_with_the_unit_and_nothing_else_counts(factor):
  found = scale.rescaled(cameras(POSES, 0.7), factor)
  size = scale.baseline(POSES)
  assert found.extrinsics.dtype == np.float32
  np.testing.assert_array_equal(
    found.extrinsics[:, :3, :3], np.float32(POSES)[:, :3, :3]
  )
  np.testing.assert_allclose(
    scale.baseline(found.extrinsics), factor * size, rtol=1e-6
  )
  moved = np.eye(4)
  moved[:3, 3] = [5, -2, 9]
  order = np.random.default_rng(0).permutation(len(POSES))
  np.testing.assert_allclose(scale.baseline(moved @ POSES[order]), size)


def test_baseline_is_the_median_over_pairs():
  poses = np.tile(np.eye(4), (3, 1, 1))
  poses[:, 0, 3] = [0, 1, 5]
  assert scale.baseline(poses) == 4  # of 1, 4 and 5
  assert scale.baseline(poses[:1]) == 0
  poses[1, 0, 3] = np.nan
  assert np.isnan(scale.baseline(poses))


def test_middle_leaves_out_what_is_no_depth():
  depth = np.array([[1.0, np.inf], [np.nan, 3.0], [0.0, -1.0]])
  assert scale.middle(depth) == 2.0
  assert scale.middle(depth[2:]) is None


def test_a_summary_has_percentiles_of_what_is_known():
  values = np.arange(1.0, 102.0)
  found = scale.summary(values, [*[None] * 100, 3.0])
  assert found == {
    "scenes": 101,
    "baseline": (6.0, 26.0, 51.0, 76.0, 96.0),
    "depth": (3.0,) * 5,
  }
  assert "depth" not in scale.summary(values)
  assert scale.summary([]) is None
