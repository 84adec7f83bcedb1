"""Depth as images: what a round trip loses, and what is unknown."""

import numpy as np

from scenetok_jax.geometry.depth_images import FAR, NEAR, decode, encode


def test_a_round_trip_loses_less_than_one_percent():
  depth = np.geomspace(NEAR, FAR, 1000).reshape(10, 10, 10)
  images = encode(depth)
  assert images.dtype == np.uint8 and images.shape == (10, 10, 10, 3)
  assert images.min() == 0 and images.max() == 255
  assert np.max(np.abs(decode(images) / depth - 1)) < 0.0083


def test_equal_ratios_are_equal_steps():
  levels = encode(np.array([[0.5, 1.0, 2.0, 4.0, 8.0]]))[0, :, 0].astype(int)
  assert np.ptp(np.diff(levels)) <= 1


def test_unknown_and_outside_depths_are_clipped():
  depth = np.array([[np.nan, np.inf, 0.0, -1.0, 0.1, 99.0]])
  grey = encode(depth)[0, :, 0]
  np.testing.assert_array_equal(grey, [255, 255, 255, 255, 0, 255])
