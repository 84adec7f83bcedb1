"""transforms.json: what captures, DL3DV and camera paths all accept."""

import json

import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import capture
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


def _without(*names, **more):
  fields = {"w": 64, "h": 64, "fl_x": 50, "fl_y": 50, "cx": 32, "cy": 32}
  return {k: v for k, v in fields.items() if k not in names} | more


@pytest.mark.parametrize(
  "shared, focal",
  [
    (_without(), (50 / 64, 50 / 64)),
    # 0.5 / tan(1.35 / 2) and 0.5 / tan(0.9 / 2)
    (_without("w", "h", "fl_x", "fl_y", camera_angle_x=1.35), (0.6247, 0.6247)),
    (_without("fl_x", "fl_y", camera_angle_y=1.35), (0.6247, 0.6247)),
    (
      _without("fl_x", "fl_y", camera_angle_x=1.35, camera_angle_y=0.9),
      (0.6247, 1.0351),
    ),
    (_without(fl_x=None, camera_angle_x=1.35), (0.6247, 50 / 64)),
    (_without(fl_x="50"), (50 / 64, 50 / 64)),
  ],
)
@pytest.mark.parametrize("rows", [3, 4])
def test_captures_and_paths_have_the_same_cameras(
  tmp_path, shared, focal, rows
):
  (tmp_path / "images").mkdir()
  grey = Image.fromarray(np.full((64, 64, 3), 99, np.uint8))
  frames = []
  for i in range(2):
    grey.save(tmp_path / "images" / f"{i}.png")
    pose = np.array(_POSE[:rows], float)
    pose[:3, 3] += [i, 0, 0]
    name = f"images/{i}.png"
    frames.append({"file_path": name, "transform_matrix": pose.tolist()})
  text = json.dumps({**shared, "frames": frames})
  (tmp_path / "transforms.json").write_text(text, "utf-16")  # with a mark
  path = camera_files.from_json(tmp_path / "transforms.json")
  taken = capture.load(tmp_path, 64).cameras
  np.testing.assert_allclose(path.intrinsics, taken.intrinsics, atol=1e-6)
  np.testing.assert_allclose(path.extrinsics, taken.extrinsics, atol=1e-6)
  found = path.intrinsics[0][[0, 1], [0, 1]]
  np.testing.assert_allclose(found, focal, atol=1e-4)


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
