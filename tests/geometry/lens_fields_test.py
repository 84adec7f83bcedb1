"""The lens of a transforms.json: known, or refused; never taken for another."""

import pytest

from scenetok_jax.geometry.lens_fields import read_lens
from scenetok_jax.geometry.lenses import FISHEYE, OPENCV, PINHOLE, Lens
from scenetok_jax.types import InputError

_FISHEYE = Lens(FISHEYE, (0.1, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
  "fields, lens",
  [
    ({}, Lens()),
    ({"camera_model": "OPENCV", "k1": 0, "k2": 0.0, "p1": None}, Lens()),
    ({"camera_model": "pinhole"}, Lens()),
    ({"k1": 0.1, "p2": "0.2"}, Lens(OPENCV, (0.1, 0, 0, 0.2, 0, 0, 0, 0))),
    (
      {"distortion_params": [0.1, 0.2, 0.3, 0, 0.01, 0.02]},
      Lens(OPENCV, (0.1, 0.2, 0.01, 0.02, 0.3, 0, 0, 0)),
    ),
    ({"k5": 0.2, "k6": 0.1}, Lens(OPENCV, (0, 0, 0, 0, 0, 0, 0.2, 0.1))),
    (
      {"camera_model": "FULL_OPENCV", "k4": 0.2},
      Lens(OPENCV, (0, 0, 0, 0, 0, 0.2, 0, 0)),
    ),
    ({"camera_model": "OPENCV_FISHEYE"}, Lens(FISHEYE, (0.0,) * 4)),
    ({"camera_model": "OPENCV_FISHEYE", "k1": 0.1}, _FISHEYE),
    ({"is_fisheye": True, "k1": 0.1}, _FISHEYE),
    (
      {"camera_model": "FISHEYE", "distortion_params": [0.1, 0, 0, 0]},
      _FISHEYE,
    ),
  ],
)
def test_lenses_that_opencv_describes(fields, lens):
  found = read_lens(fields, "x")
  assert found == lens
  assert found.bends == (lens.model != PINHOLE)


@pytest.mark.parametrize(
  "fields, problem",
  [
    ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR"),
    ({"camera_model": "ORTHOPHOTO"}, "ORTHOPHOTO"),
    ({"camera_model": "FISHEYE624"}, "FISHEYE624"),
    ({"camera_model": 7}, "camera_model: 7"),
    ({"camera_type": "equirectangular"}, "equirectangular"),
    ({"latlong": True}, "latlong"),
    ({"equirectangular": True}, "equirectangular"),
    ({"ftheta_p0": 0, "ftheta_p1": 0.03}, "ftheta_p0"),
    ({"k4": 0.1}, "k4: means one thing to nerfstudio"),
    ({"camera_model": "OPENCV_FISHEYE", "p1": 0.1}, "p1: a fisheye"),
    ({"camera_model": "OPENCV_FISHEYE", "is_fisheye": False}, "contradicts"),
    ({"camera_model": "PINHOLE", "is_fisheye": True}, "contradicts"),
    ({"distortion_params": [0.1, 0.2, 0.3]}, "3 numbers"),
    ({"distortion_params": [0.1, *[0] * 5], "k1": 0.2}, "contradicts k1"),
    ({"k1": "much"}, "k1: 'much' is no number"),
  ],
)
def test_other_lenses_and_contradictions_are_refused(fields, problem):
  with pytest.raises(InputError, match=f"x: .*{problem}"):
    read_lens(fields, "x")
