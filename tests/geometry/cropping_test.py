"""Scaling and cropping move a lens as they move its picture."""

import numpy as np
import pytest

from scenetok_jax.geometry.cropping import crop


def test_a_wide_picture_loses_its_sides():
  cut = crop((72, 128), (64, 64))
  assert (cut.scaled, cut.start) == ((64, 114), (0, 25))
  found = cut.intrinsics(np.array([[0.5, 0, 0.5], [0, 0.9, 0.4], [0, 0, 1]]))
  expected = [[0.5 * 114 / 64, 0, 0.5], [0, 0.9, 0.4], [0, 0, 1]]
  np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("sides", [(30, 40), (64, 64), (7, 5)])
def test_a_point_stays_on_its_pixel(sides):
  cut = crop(sides, (20, 24))
  lens = np.array([[0.8, 0, 0.45], [0, 1.1, 0.6], [0, 0, 1]])
  ray = np.array([0.1, -0.05, 1])
  before = (lens @ ray)[:2] * cut.scaled[::-1] - cut.start[::-1]
  after = (cut.intrinsics(lens) @ ray)[:2] * [24, 20]
  np.testing.assert_allclose(after, before)
  kept = cut.intrinsics(lens, move_centre=False)
  np.testing.assert_array_equal(kept[:2, 2], lens[:2, 2])
