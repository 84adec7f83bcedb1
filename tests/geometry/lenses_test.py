"""Lenses are made straight: what a pinhole would have seen, and no more."""

import cv2
import numpy as np
import pytest

from scenetok_jax.geometry.lenses import (
  FISHEYE,
  OPENCV,
  Lens,
  project,
  straighten,
)
from scenetok_jax.types import InputError

_MATRIX = np.array([[500.0, 0, 330], [0, 505, 235], [0, 0, 1]])
_BROWN = Lens(OPENCV, (-0.2, 0.05, 0.001, -0.002, 0.01, 0.02, 0.03, 0.01))
_FISH = Lens(FISHEYE, (-0.02, 0.05, 0.001, -0.002))


@pytest.mark.parametrize("lens", [_BROWN, _FISH], ids=["brown", "fisheye"])
def test_points_land_where_opencv_puts_them(lens):
  plane = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
  rays = np.concatenate([plane, np.ones((50, 1))], axis=1)[:, None]
  places = cv2.fisheye if lens.model == FISHEYE else cv2
  coefficients = np.array(lens.coefficients)
  still = np.zeros(3)
  found, _ = places.projectPoints(rays, still, still, _MATRIX, coefficients)[:2]
  expected = found[:, 0]
  found = project(lens, _MATRIX, (640, 480), plane)
  np.testing.assert_allclose(found, expected, atol=1e-9)


def _rays(lens, matrix, size):
  """What a lens sees, [H W 3] in 0 to 255: x and y on the plane ahead."""
  width, height = size
  x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
  pixels = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
  undo = cv2.undistortPoints
  if lens.model == FISHEYE:
    undo = cv2.fisheye.undistortPoints
  plane = undo(pixels, matrix, np.array(lens.coefficients, np.float64))
  plane = plane.reshape(height, width, 2)
  picture = np.zeros((height, width, 3))
  picture[..., :2] = 127.5 + 70 * np.clip(plane, -1.8, 1.8)
  return np.round(picture).astype(np.uint8)


@pytest.mark.parametrize(
  "lens, matrix, size",
  [
    (
      Lens(OPENCV, (-0.2, 0.05, 0.001, -0.002, 0, 0, 0, 0)),
      _MATRIX,
      (640, 480),
    ),
    (Lens(OPENCV, (0.15, 0.02, 0, 0, 0, 0, 0, 0)), _MATRIX, (640, 480)),
    (_FISH, _MATRIX, (640, 480)),
    # The edge of this fisheye is 91.7 degrees off its axis; a pinhole of the
    # same focal length would see 58.
    (
      Lens(FISHEYE, (0.0, 0.0, 0.0, 0.0)),
      np.array([[30.0, 0, 48], [0, 30, 32], [0, 0, 1]]),
      (96, 64),
    ),
  ],
  ids=["barrel", "pincushion", "fisheye", "wide fisheye"],
)
def test_each_pixel_sees_along_its_own_ray(lens, matrix, size):
  straight = straighten(lens, matrix, size, "x")
  found = straight.apply(_rays(lens, matrix, size)).astype(float)
  assert found.shape == (straight.size[1], straight.size[0], 3)
  width, height = straight.size
  pixels = np.stack(
    np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1
  )
  focal, centre = np.diag(straight.matrix)[:2], straight.matrix[:2, 2]
  expected = 127.5 + 70 * (pixels - centre) / focal
  inner = np.s_[2:-2, 2:-2]
  np.testing.assert_allclose(
    found[..., :2][inner], expected[inner], atol=4 if size[0] < 100 else 1.5
  )
  # Square pixels stay square, and the shorter side loses no pixels.
  ratio = straight.matrix[0, 0] / straight.matrix[1, 1]
  assert ratio == pytest.approx(matrix[0, 0] / matrix[1, 1])
  assert min(straight.size) >= min(size) - 1
  # Nothing is seen that the lens did not see, and nothing beyond 60 degrees.
  corners = np.array([[0, 0], [width, 0], [0, height], [width, height]])
  plane = (corners - centre) / focal
  seen = project(lens, matrix, size, plane)
  assert (seen > -1).all() and (seen < np.array(size) + 1).all()
  assert np.abs(plane).max() <= np.tan(np.radians(60)) + 1e-6


def test_a_lens_that_turns_back_at_its_axis_is_refused():
  lens = Lens(OPENCV, (-1e9, 0, 0, 0, 0, 0, 0, 0))
  with pytest.raises(InputError, match=r"x: the lens .*sees nothing"):
    straighten(lens, _MATRIX, (640, 480), "x")
