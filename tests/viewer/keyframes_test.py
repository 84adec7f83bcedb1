"""Keyframes: the path through them, and files of them."""

import json

import numpy as np
import pytest

from scenetok_jax.geometry.camera_files import read_file
from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.types import Cameras, InputError
from scenetok_jax.viewer import keyframes
from scenetok_jax.viewer.keyframes import Keyframes
from tests.geometry.poses import ring

ZERO = np.zeros(3)


def keys(count=4, every=5):
  lens = np.diag([0.8, 0.8, 1]).astype(np.float32)
  lens[:2, 2] = 0.5
  given = Cameras(ring(count), np.tile(lens, (count, 1, 1)))
  given.intrinsics[1:, (0, 1), (0, 1)] = 1.1
  found = Keyframes(every=every)
  for index in range(count):
    found = found.added(
      Cameras(given.extrinsics[[index]], given.intrinsics[[index]])
    )
  return found


def test_the_path_goes_through_every_keyframe():
  found = keys()
  path = found.path()
  assert len(path.extrinsics) == len(path.intrinsics) == 3 * 5 + 1
  np.testing.assert_allclose(
    path.extrinsics[::5], found.cameras.extrinsics, atol=1e-6
  )
  np.testing.assert_allclose(path.intrinsics[::5], found.cameras.intrinsics)
  focal = path.intrinsics[:6, 0, 0]
  np.testing.assert_allclose(focal, np.linspace(0.8, 1.1, 6), rtol=1e-6)


def test_the_last_is_removed_and_one_is_no_path():
  found = keys(2).without_last()
  assert len(found) == 1
  with pytest.raises(InputError, match="keyframes: 1; set two or more"):
    found.path()
  assert len(found.without_last().without_last()) == 0


@pytest.mark.parametrize("origin", [ZERO, np.array([448262.5, 5411932.25, 9])])
def test_a_saved_path_is_loaded_and_rendered_as_it_was(origin, tmp_path):
  found = keys()
  content = found.to_json(origin)
  again = keyframes.load(content, "path.json", origin, 64)
  assert again.every == 5 and len(again) == 4
  for one, two in zip(
    (found.cameras, found.path()), (again.cameras, again.path()), strict=True
  ):
    np.testing.assert_allclose(two.extrinsics, one.extrinsics, atol=1e-6)
    np.testing.assert_allclose(two.intrinsics, one.intrinsics, rtol=1e-6)
  # --trajectory reads it too, all frames of it.
  (tmp_path / "path.json").write_bytes(content)
  read = read_file(tmp_path / "path.json")
  np.testing.assert_allclose(
    read.extrinsics[:, :3, 3] - origin, found.path().extrinsics[:, :3, 3],
    atol=1e-6,
  )  # fmt: skip


def test_a_path_of_nerfstudio_is_loaded_camera_by_camera():
  poses = ring(6)
  content = {
    "camera_type": "perspective",
    "render_width": 640,
    "render_height": 360,
    "camera_path": [
      {"camera_to_world": from_opengl(p).flatten().tolist(), "fov": 50}
      for p in poses
    ],
    "keyframes": [],
  }
  found = keyframes.load(json.dumps(content).encode(), "a.json", ZERO, 64)
  assert found.every == 1 and len(found) == 6
  assert "taken as they are" in " ".join(found.notes)
  np.testing.assert_allclose(found.path().extrinsics, poses, atol=1e-5)
  # The square in the middle of the picture is as high as the picture.
  focal = 0.5 / np.tan(np.radians(25))
  np.testing.assert_allclose(
    found.cameras.intrinsics[:, (0, 1), (0, 1)], focal, rtol=3e-3
  )


@pytest.mark.parametrize(
  ("content", "told"),
  [
    (b"", "mine.json"),
    (b"[1, 2]", "mine.json"),
    (b'{"extrinsics": []}', "mine.json"),
    (b'{"camera_path": [{}]}', r"mine.json: camera_path\[0\]"),
  ],
)
def test_other_files_are_one_line_with_the_name(content, told):
  with pytest.raises(InputError, match=told) as error:
    keyframes.load(content, "mine.json", ZERO, 64)
  assert "/tmp" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("every", [0, 2, "5", 1e9])
def test_another_spacing_than_the_files_is_refused(every):
  content = json.loads(keys().to_json(ZERO)) | {"keyframe_every": every}
  with pytest.raises(InputError, match="keyframe_every"):
    keyframes.load(json.dumps(content).encode(), "mine.json", ZERO, 64)
