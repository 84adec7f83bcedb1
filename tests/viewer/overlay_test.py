"""Squares in windows, and colours where samples differ."""

import numpy as np

from scenetok_jax.viewer import overlay

IMAGE = np.random.default_rng(0).integers(40, 256, (8, 8, 3), np.uint8)


def test_a_wide_window_has_bars_and_a_narrow_one_cuts():
  wide = overlay.framed(IMAGE, 2.0)
  assert wide.shape == (8, 16, 3)
  np.testing.assert_array_equal(wide[:, 4:12], IMAGE)
  assert np.all(wide[:, :4] == wide[0, 0]) and np.all(
    wide[:, 12:] == wide[0, 0]
  )
  narrow = overlay.framed(IMAGE, 0.5)
  np.testing.assert_array_equal(narrow, IMAGE[:, 2:6])
  np.testing.assert_array_equal(overlay.framed(IMAGE, 1.0), IMAGE)


def test_heat_lies_where_samples_differ_alone():
  samples = np.stack([IMAGE] * 3)
  samples[0, 2, 3], samples[1, 2, 3] = 0, 255
  spread = overlay.deviation(samples)
  assert spread.shape == (8, 8)
  assert spread[2, 3] > overlay.TOP and np.count_nonzero(spread) == 1
  heated = overlay.heated(IMAGE, spread)
  changed = np.any(heated != IMAGE, axis=-1)
  assert changed[2, 3] and changed.sum() == 1
  assert heated[2, 3].min() > 120  # the brightest colour
