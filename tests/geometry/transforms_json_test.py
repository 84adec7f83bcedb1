"""transforms.json: what captures, DL3DV and camera paths all accept."""

import json

import numpy as np
import pytest

from scenetok_jax.geometry import camera_files, transforms_json
from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.types import InputError

_POSE = [[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4], [0, 0, 0, 1]]
_SIDES = {"w": 80, "h": 60}


def _frame(tmp_path, shared, **own):
  path = tmp_path / "transforms.json"
  entry = {"file_path": "a.png", "transform_matrix": _POSE, **own}
  path.write_text(json.dumps({**shared, "frames": [entry]}))
  return transforms_json.read_transforms(path)[0]


@pytest.mark.parametrize(
  "fields, focal",
  [
    ({"fl_x": 50, "fl_y": 52}, (50, 52)),
    ({"fl_x": 50}, (50, 50)),
    ({"fl_y": "52"}, (52, 52)),
    ({"camera_angle_x": np.pi / 2}, (40, 40)),
    ({"camera_angle_x": np.pi / 2, "camera_angle_y": np.pi / 2}, (40, 30)),
    ({"fl_x": 50, "camera_angle_y": np.pi / 2}, (50, 30)),
    ({"fl_x": 0, "camera_angle_x": np.pi / 2}, (40, 40)),
  ],
)
def test_focal_lengths_angles_and_what_stands_for_them(tmp_path, fields, focal):
  matrix, size = _frame(tmp_path, _SIDES, **fields).intrinsics()
  assert size == (80, 60)
  np.testing.assert_allclose([matrix[0, 0], matrix[1, 1]], focal)
  np.testing.assert_allclose(matrix[:2, 2], [40, 30])


def test_a_frame_s_own_fields_come_first(tmp_path):
  shared = {**_SIDES, "fl_x": 50, "cx": 39, "k1": 0.1}
  frame = _frame(tmp_path, shared, fl_x=70, cy=-2.5)
  matrix, _ = frame.intrinsics()
  np.testing.assert_allclose(matrix, [[70, 0, 39], [0, 70, -2.5], [0, 0, 1]])
  assert frame.name() == "a.png"
  assert frame.shot().lens.coefficients[0] == 0.1


def test_the_image_gives_the_size_where_the_file_does_not(tmp_path):
  frame = _frame(tmp_path, {"fl_x": 50})
  assert frame.intrinsics(lambda: (40.0, 30.0))[1] == (40, 30)
  with pytest.raises(InputError, match=r"frames\[0\]: w: missing"):
    frame.intrinsics()


def test_captures_and_camera_paths_see_the_same_pose(tmp_path):
  frame = _frame(tmp_path, {**_SIDES, "fl_x": 50}, transform_matrix=_POSE[:3])
  np.testing.assert_array_equal(frame.pose(), from_opengl(np.array(_POSE)))
  path = camera_files.from_json(tmp_path / "transforms.json")
  np.testing.assert_array_equal(path.extrinsics[0], frame.pose())
  matrix, (width, height) = frame.intrinsics()
  expected = matrix / np.array([[width], [height], [1]])
  np.testing.assert_allclose(path.intrinsics[0], expected, atol=1e-7)


@pytest.mark.parametrize(
  "own, message",
  [
    ({"fl_x": True}, "fl_x: True is not a positive number; correct it"),
    ({"fl_x": -5}, "fl_x: -5 is not a positive number"),
    ({"fl_x": 50, "cx": "middle"}, "cx: 'middle' is not a finite number"),
    ({"h": 0}, "h: 0 is not a positive number"),
    ({}, r"fl_x: missing; give fl_x \(pixels\) or camera_angle_x"),
    ({"camera_angle_x": 4.0}, "camera_angle_x: 4 is no angle of view"),
    (
      {"fl_x": 50, "camera_angle_x": 0.7},
      "fl_x 50 sees 77.3 degrees of 80 pixels, camera_angle_x is 40.1",
    ),
  ],
)
def test_wrong_intrinsics_are_named(tmp_path, own, message):
  frame = _frame(tmp_path, _SIDES, **own)
  with pytest.raises(InputError, match=rf"frames\[0\]: {message}"):
    frame.intrinsics()
