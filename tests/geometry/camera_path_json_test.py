"""Paths of nerfstudio's viewers: vertical angles in degrees, rows of OpenGL."""

import json
import math

import numpy as np
import pytest

from scenetok_jax.geometry import camera_files
from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.types import InputError
from tests.geometry.poses import random_poses

_POSES = random_poses(0, 3)


def _camera(pose, **fields):
  rows = np.ravel(from_opengl(pose)).tolist()
  return {"camera_to_world": rows, "fov": 50.0, "aspect": 16 / 9, **fields}


def _of_viser(**changes):
  """As the present viewer writes it; keyframes are in units of its own."""
  return {
    "default_fov": 75.0,
    "default_transition_sec": 2.0,
    "keyframes": [{"matrix": [1.0] * 16, "fov": 50.0, "aspect": 1.7}],
    "camera_type": "perspective",
    "render_height": 1080.0,
    "render_width": 1920.0,
    "fps": 30.0,
    "seconds": 4.0,
    "camera_path": [_camera(pose) for pose in _POSES],
    "crop": None,
  } | changes


def _of_three_js(**changes):
  """As the first viewer wrote it."""
  cameras = [_camera(pose) for pose in _POSES]
  key = {"matrix": str(cameras[0]["camera_to_world"]), "fov": 50}
  return {
    "keyframes": [{**key, "properties": '[["FOV",50]]'}],
    "camera_type": "perspective",
    "render_height": 540,
    "render_width": 960,
    "camera_path": cameras,
    "fps": 24,
    "seconds": 4,
    "smoothness_value": 0.5,
    "is_cycle": False,
  } | changes


def _read(folder, document):
  path = folder / "camera_path.json"
  path.write_text(json.dumps(document))
  return camera_files.from_json(path)


@pytest.mark.parametrize("document", [_of_viser(), _of_three_js()])
def test_both_generations_give_the_same_cameras(tmp_path, document):
  found = _read(tmp_path, document)
  np.testing.assert_allclose(found.extrinsics, _POSES, atol=1e-6)
  focal = 0.5 / math.tan(math.radians(50) / 2)  # 1.0723 heights
  for lens in found.intrinsics:
    expected = [[focal * 9 / 16, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(lens, expected, atol=1e-6)


def test_each_camera_has_its_own_angle_or_the_default(tmp_path):
  cameras = [_camera(pose) for pose in _POSES]
  cameras[1]["fov"] = 90
  cameras[2]["fov"] = None
  found = _read(tmp_path, _of_viser(camera_path=cameras, default_fov=60))
  expected = [0.5 / math.tan(math.radians(a) / 2) for a in (50, 90, 60)]
  np.testing.assert_allclose(found.intrinsics[:, 1, 1], expected, atol=1e-6)


def test_the_aspect_serves_where_no_size_is_given(tmp_path):
  document = _of_viser()
  del document["render_width"], document["render_height"]
  lens = _read(tmp_path, document).intrinsics[0]
  np.testing.assert_allclose(lens[1, 1] / lens[0, 0], 16 / 9, rtol=1e-6)


def _with(**fields):
  return _of_viser(camera_path=[_camera(_POSES[0], **fields)])


@pytest.mark.parametrize(
  "form",
  [
    lambda rows: np.reshape(rows, (4, 4)).tolist(),
    lambda rows: np.reshape(rows, (4, 4))[:3].tolist(),
    json.dumps,
  ],
)
def test_matrices_may_be_rows_or_text(tmp_path, form):
  rows = _camera(_POSES[0])["camera_to_world"]
  found = _read(tmp_path, _with(camera_to_world=form(rows)))
  np.testing.assert_allclose(found.extrinsics[0], _POSES[0], atol=1e-6)


@pytest.mark.parametrize(
  "document, message",
  [
    (_of_viser(camera_path=[]), "camera_path: missing or empty; export"),
    (_of_viser(camera_path=[3]), r"camera_path\[0\]: 3 is no object"),
    (
      _of_viser(camera_type="equirectangular"),
      "camera_type: 'equirectangular' is no pinhole",
    ),
    (_with(camera_to_world=None), r"camera_path\[0\].camera_to_world: missing"),
    (_with(camera_to_world=[1, 2]), r"camera_path\[0\].*shape \(2,\)"),
    (_with(camera_to_world="[1,"), "camera_to_world: not valid JSON"),
    (_with(fov=180), r"camera_path\[0\].fov: 180 is not a vertical"),
    (_with(fov="wide"), "fov: 'wide' is not a vertical field of view"),
  ],
)
def test_mistakes_are_named_in_one_line(tmp_path, document, message):
  with pytest.raises(InputError, match=message) as error:
    _read(tmp_path, document)
  assert "\n" not in str(error.value)


_TURN = random_poses(7, 1)[0].astype(np.float64)
_SCALE = 0.31


def _trained(poses, scale=_SCALE):
  """What nerfstudio's training makes of poses: turned, moved, shrunk."""
  found = _TURN @ poses
  found[:, :3, 3] *= scale
  return found


def _write_training(folder):
  fields = {"transform": _TURN[:3].tolist(), "scale": _SCALE}
  folder.mkdir(exist_ok=True)
  (folder / "dataparser_transforms.json").write_text(json.dumps(fields))


def test_a_path_in_the_frame_of_a_training_is_brought_back(tmp_path):
  path = [_camera(pose) for pose in _trained(_POSES)]
  document = _of_viser(camera_path=path)
  assert np.abs(_read(tmp_path, document).extrinsics - _POSES).max() > 0.1
  untold = camera_files.read_file(tmp_path / "camera_path.json")
  assert "taken as they are" in untold.notes[0]
  _write_training(tmp_path)
  found = camera_files.read_file(tmp_path / "camera_path.json")
  np.testing.assert_allclose(found.extrinsics, _POSES, atol=1e-5)
  np.testing.assert_allclose([s.c2w for s in found.shots], _POSES, atol=1e-5)
  assert "dataparser_transforms.json" in found.notes[0]


def test_it_goes_through_what_was_applied_to_the_capture(tmp_path):
  # The training says how it came from the original; so does the capture.
  applied = np.eye(4)
  applied[:3, :3] = [[0, 1, 0], [1, 0, 0], [0, 0, -1]]
  applied[:3, 3] = [1, 2, 3]
  capture = applied @ _POSES
  capture[:, :3, 3] *= 2.0
  frames = [
    {"transform_matrix": from_opengl(pose).tolist()} for pose in capture
  ]
  fields = {"applied_transform": applied[:3].tolist(), "applied_scale": 2.0}
  sizes = {"w": 64, "h": 48, "fl_x": 50}
  document = {**sizes, **fields, "frames": frames}
  (tmp_path / "transforms.json").write_text(json.dumps(document))
  _write_training(tmp_path)
  (tmp_path / "camera_paths").mkdir()
  path = [_camera(pose) for pose in _trained(_POSES)]
  _read(tmp_path / "camera_paths", _of_viser(camera_path=path))
  found = camera_files.read_file(tmp_path / "camera_paths/camera_path.json")
  np.testing.assert_allclose(found.extrinsics, capture, atol=1e-5)
  own = camera_files.read_file(tmp_path / "transforms.json")
  np.testing.assert_allclose(own.extrinsics, capture, atol=1e-6)
  assert "not applied" in own.notes[0]


@pytest.mark.parametrize(
  "change, problem",
  [
    ({"scale": 0}, "scale: 0 is not from"),
    ({"scale": "1"}, "scale: '1' is not a finite number"),
    ({"transform": [[1, 0], [0, 1]]}, "transform: shape"),
    ({"transform": np.diag([2.0, 2, 2, 1]).tolist()}, "transform: "),
    ({"transform": None}, "transform"),
  ],
)
def test_a_broken_frame_of_a_training_is_refused(tmp_path, change, problem):
  _write_training(tmp_path)
  file = tmp_path / "dataparser_transforms.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | change))
  with pytest.raises(InputError, match=problem) as error:
    _read(tmp_path, _of_viser())
  assert str(file) in str(error.value) and "\n" not in str(error.value)
