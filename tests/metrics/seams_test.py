"""Seams are the jumps at borders of blocks, over the others."""

import numpy as np

from scenetok_jax.metrics.seams import seams


def test_a_slope_has_none():
  slope = np.tile(np.arange(32, dtype=np.uint8)[:, None], (1, 32))
  slope = np.broadcast_to((slope + slope.T)[None, ..., None], (2, 32, 32, 3))
  assert seams([slope], 8) == 1.0


def test_jumps_of_twice_the_slope():
  row = np.cumsum(1 + (np.arange(32) % 8 == 0)).astype(np.uint8)
  clip = np.broadcast_to((row[:, None] + row)[None, ..., None], (1, 32, 32, 3))
  assert seams([clip, clip], 8) == 2.0


def test_without_borders_or_changes_there_is_no_ratio():
  flat = np.zeros((1, 16, 16, 3), np.uint8)
  assert np.isnan(seams([flat], 8)) and np.isnan(seams([flat], 16))
