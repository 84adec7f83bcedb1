"""Camera files: both layouts, and one clear line for every mistake."""

import json

import numpy as np
import pytest

from scenetok_jax.geometry import camera_files
from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.types import InputError
from tests.camera_json import write_cameras
from tests.geometry.poses import cameras, random_poses


def _write(folder, content) -> str:
  path = folder / "cameras.json"
  text = content if isinstance(content, str) else json.dumps(content)
  path.write_text(text)
  return str(path)


def _transforms(poses: np.ndarray) -> dict:
  return {
    "w": 640,
    "h": 480,
    "fl_x": 512,
    "fl_y": 480,
    "cx": 320,
    "cy": 264,
    "frames": [
      {"file_path": f"{i}.png", "transform_matrix": pose.tolist()}
      for i, pose in enumerate(from_opengl(poses))
    ],
  }


def test_written_cameras_are_read_back_exactly(tmp_path):
  views = cameras(random_poses(0, 5))
  path = tmp_path / "path.json"
  write_cameras(views, path)
  read = camera_files.from_json(path)
  np.testing.assert_array_equal(read.extrinsics, views.extrinsics)
  np.testing.assert_array_equal(read.intrinsics, views.intrinsics)
  assert read.extrinsics.dtype == np.float32


def test_transforms_become_opencv_and_normalised(tmp_path):
  poses = random_poses(1, 3)
  read = camera_files.from_json(_write(tmp_path, _transforms(poses)))
  np.testing.assert_allclose(read.extrinsics, poses, atol=1e-6)
  expected = [[0.8, 0, 0.5], [0, 1, 0.55], [0, 0, 1]]
  np.testing.assert_allclose(
    read.intrinsics, np.tile(expected, (3, 1, 1)), atol=1e-6
  )


def test_field_of_view_and_frame_fields_replace_file_fields(tmp_path):
  content = _transforms(random_poses(2, 2))
  for field in ("fl_x", "fl_y", "cx", "cy"):
    del content[field]
  content["camera_angle_x"] = np.pi / 2
  content["frames"][1]["fl_x"] = 640
  read = camera_files.from_json(_write(tmp_path, content))
  np.testing.assert_allclose(read.intrinsics[:, 0, 0], [0.5, 1], atol=1e-6)
  np.testing.assert_allclose(read.intrinsics[0, :2, 2], 0.5)


def test_one_intrinsic_matrix_serves_all_poses(tmp_path):
  views = cameras(random_poses(3, 4))
  content = {
    "extrinsics": views.extrinsics.tolist(),
    "intrinsics": views.intrinsics[0].tolist(),
  }
  read = camera_files.from_json(_write(tmp_path, content))
  np.testing.assert_allclose(read.intrinsics, views.intrinsics)


def _native(**changes) -> dict:
  views = cameras(random_poses(4, 3))
  content = {
    "extrinsics": views.extrinsics.tolist(),
    "intrinsics": views.intrinsics.tolist(),
  }
  return {**content, **changes}


def _transforms_with(**changes) -> dict:
  return {**_transforms(random_poses(5, 2)), **changes}


def _frames_with(index: int, matrix) -> list:
  frames = _transforms(random_poses(5, 2))["frames"]
  frames[index]["transform_matrix"] = matrix
  return frames


_NAN = np.full((4, 4), np.nan).tolist()
_STRETCHED = np.diag([2.0, 1, 1, 1]).tolist()
_PIXELS = [[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]


@pytest.mark.parametrize(
  "content, message",
  [
    ("{", "not valid JSON"),
    ("[1]", "holds a list"),
    ({}, 'neither "frames" nor "extrinsics"'),
    (_native(extrinsics=[_NAN]), "extrinsics: frame 0: .*NaN"),
    (_native(extrinsics=[_STRETCHED]), "extrinsics: frame 0: .*orthonormal"),
    (_native(extrinsics=[]), "extrinsics: shape"),
    (_native(extrinsics=[[1, 2], [3]]), "extrinsics: not a matrix of"),
    (_native(intrinsics=None), "intrinsics: missing"),
    (_native(intrinsics=[1, 2, 3]), "intrinsics: shape"),
    (_native(intrinsics="K"), "intrinsics: not a matrix of"),
    (_native(intrinsics=[_PIXELS] * 2), "intrinsics: 2 matrices for 3 poses"),
    (_native(intrinsics=_PIXELS), "intrinsics: frame 0: .*divide"),
    (
      _native(intrinsics=np.zeros((3, 3)).tolist()),
      "intrinsics: frame 0: focal",
    ),
    (_transforms_with(frames=[]), "frames: missing or empty"),
    (_transforms_with(frames=[{}]), r"frames\[0\].transform_matrix: missing"),
    (_transforms_with(w=None), r"frames\[0\]: w: missing"),
    (_transforms_with(fl_x="wide"), r"frames\[0\]: fl_x: 'wide'"),
    (
      _transforms_with(frames=_frames_with(1, _NAN)),
      "transform_matrix: frame 1: .*NaN",
    ),
    (
      _transforms_with(frames=_frames_with(1, _STRETCHED)),
      "transform_matrix: frame 1: .*orthonormal",
    ),
    (
      _transforms_with(frames=_frames_with(1, [[1, 2]])),
      r"frames\[1\].transform_matrix: shape",
    ),
  ],
)
def test_mistakes_are_named_in_one_line(tmp_path, content, message):
  path = _write(tmp_path, content)
  with pytest.raises(InputError, match=message) as caught:
    camera_files.from_json(path)
  line = str(caught.value)
  assert line.startswith(path) and "\n" not in line and "; " in line


def test_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match=r"nothing\.json: not found"):
    camera_files.from_json(tmp_path / "nothing.json")


def test_estimates_need_no_intrinsics_and_may_lack_frames(tmp_path):
  poses = random_poses(6, 4)
  rows = poses.tolist()
  rows[1], rows[2] = None, _NAN
  read = camera_files.estimates_from_json(
    _write(tmp_path, {"extrinsics": rows})
  )
  np.testing.assert_array_equal(read[[0, 3]], poses[[0, 3]])
  assert np.isnan(read[1:3]).all()
  frames = [{"transform_matrix": p.tolist()} for p in from_opengl(poses)]
  frames[1] = {"file_path": "1.png"}
  path = _write(tmp_path, {"frames": frames})
  read = camera_files.estimates_from_json(path)
  np.testing.assert_allclose(read[[0, 2, 3]], poses[[0, 2, 3]], atol=1e-6)
  assert np.isnan(read[1]).all()


@pytest.mark.parametrize(
  "content, message",
  [
    ({"extrinsics": [None, _STRETCHED]}, "frame 1: .*orthonormal"),
    ({"extrinsics": []}, "extrinsics: shape"),
    ({"poses": []}, 'neither "frames" nor "extrinsics"'),
  ],
)
def test_bad_estimates_are_named(tmp_path, content, message):
  with pytest.raises(InputError, match=message):
    camera_files.estimates_from_json(_write(tmp_path, content))
