"""Pictures, intrinsics and poses stay together through tags and lenses."""

import numpy as np
import pytest

from scenetok_jax.geometry import posed_pictures
from scenetok_jax.geometry.lenses import OPENCV, Lens
from scenetok_jax.geometry.posed_pictures import Shot, fit, pinhole
from scenetok_jax.reading import orientation
from scenetok_jax.reading.pictures import Header, Picture
from scenetok_jax.types import InputError

_POSE = np.eye(4)
_POSE[:3, 3] = [1.0, 2.0, 3.0]


def _shot(size=None, centre=(50, 31), focal=80.0, **more):
  matrix = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
  return Shot("x", _POSE, matrix, size, **more)


def _pixel(fitted, point):
  """Where a camera sees a world point, in pixels."""
  x = np.linalg.inv(fitted.c2w) @ [*point, 1.0]
  shares = fitted.intrinsics @ (x[:3] / x[2])
  return shares[:2] * fitted.size


@pytest.mark.parametrize("tag", [3, 6, 8])
def test_a_camera_of_the_stored_pixels_turns_with_its_picture(tag):
  shot = _shot((96, 64), stored=True)
  fitted = fit(shot, Header((96, 64), tag))
  assert fitted.size == orientation.shown_size((96, 64), tag)
  plain = fit(shot, Header((96, 64)))
  for point in ([1.2, 2.1, 4.0], [0.7, 1.9, 5.0]):
    offset = _pixel(plain, point) - [48, 32]
    expected = orientation.axes(tag) @ offset + np.array(fitted.size) / 2
    np.testing.assert_allclose(_pixel(fitted, point), expected, atol=1e-9)
  assert np.linalg.det(fitted.c2w) == pytest.approx(1)
  pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
  upright = orientation.apply(pixels, tag)
  picture = Picture(upright, Header((96, 64), tag))
  np.testing.assert_array_equal(fitted.picture(picture), upright)


@pytest.mark.parametrize(
  "shot, header, turned, note",
  [
    # Sizes decide where they can.
    (_shot((64, 96), (32, 48)), Header((96, 64), 6), False, ()),
    (_shot((96, 64)), Header((96, 64), 6), True, posed_pictures.TURNED),
    # Then the centre does.
    (_shot(centre=(32, 48)), Header((96, 64), 6), False, ()),
    (_shot(centre=(48, 32)), Header((96, 64), 6), True, posed_pictures.TURNED),
    # Else the picture was posed upright, but by COLMAP: told either way.
    (_shot((96, 64)), Header((96, 64), 3), False, posed_pictures.TAKEN),
    (_shot((80, 80), (40, 40)), Header((80, 80), 6), False,
     posed_pictures.TAKEN),
    (_shot((96, 64), stored=True), Header((96, 64), 3), True,
     posed_pictures.AS_STORED),
  ],
)  # fmt: skip
def test_whose_camera_it_is(shot, header, turned, note):
  fitted = fit(shot, header)
  assert np.array_equal(fitted.c2w, _POSE) != turned
  assert fitted.notes == ((note,) if note else ())


@pytest.mark.parametrize(
  "shot, header, problem",
  [
    (_shot((64, 64)), Header((96, 64)), "64x64 has another shape"),
    (_shot((96, 64)), Header((96, 64), 4), None),
    (_shot((96, 64), stored=True), Header((96, 64), 4), "mirrors it"),
    # Millimetres, shares of the width, centres of other pixels and corners.
    (_shot((1920, 1280), (960, 640), 35), Header((96, 64)), "176 degrees"),
    (_shot((96, 64), focal=0.8), Header((96, 64)), "178 degrees"),
    (_shot((192, 128), (48, 32), 160), Header((96, 64)), "of 96x64 pixels"),
    (_shot(centre=(96, 64)), Header((96, 64)), "give w and h"),
    (_shot(centre=(0, 0)), Header((96, 64)), "give w and h"),
    (_shot(centre=(0.5, 0.5)), Header((96, 64)), "give w and h"),
    (_shot(centre=(30, 40)), Header((96, 64)), None),
  ],
)
def test_contradictions_are_refused(shot, header, problem):
  if problem is None:
    fit(shot, header)
    return
  with pytest.raises(InputError, match=f"x: .*{problem}"):
    fit(shot, header)


@pytest.mark.parametrize("tag", [1, 6])
def test_a_lens_is_made_straight_in_the_pixels_that_it_is_of(tag):
  lens = Lens(OPENCV, (-0.2, 0, 0, 0, 0, 0, 0, 0))
  plain = fit(_shot((96, 64), lens=lens), Header((96, 64)))
  fitted = fit(_shot((96, 64), lens=lens), Header((96, 64), tag))
  assert fitted.size == orientation.shown_size(plain.size, tag)
  assert any("made straight" in note for note in fitted.notes)
  pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
  upright = np.ascontiguousarray(orientation.apply(pixels, tag))
  found = fitted.picture(Picture(upright, Header((96, 64), tag)))
  straight = plain.picture(Picture(pixels, Header((96, 64))))
  np.testing.assert_array_equal(found, orientation.apply(straight, tag))


def test_a_path_has_the_view_of_the_straight_picture():
  lens = Lens(OPENCV, (-0.2, 0, 0, 0, 0, 0, 0, 0))
  shot = _shot((96, 64), lens=lens)
  intrinsics, size = pinhole(shot)
  fitted = fit(shot, Header((96, 64)))
  np.testing.assert_array_equal(intrinsics, fitted.intrinsics)
  assert size == fitted.size
