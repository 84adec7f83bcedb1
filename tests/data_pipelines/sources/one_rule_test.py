"""What one reader does with lenses and coordinates, all do."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import capture, dl3dv_scenes, re10k_texts, video
from data_pipelines.storage.recipes import FrameOptions
from scenetok_jax.geometry import camera_files
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

_MAP = np.array([448262.5, 5411932.25, 120.0])
_FRAMES = 8


def _document(folder, **fields):
  document = clips.write_capture(folder, _FRAMES, width=48, height=32, scale=1)
  document |= {"cx": 24.0, "cy": 16.0, "fl_x": 40.0, "fl_y": 40.0} | fields
  clips.write_transforms(folder, document)
  return document


def _by_capture(folder):
  scene = capture.load(folder, 24)
  return scene.cameras, scene.origin, scene.warnings


def _by_dl3dv(folder):
  clip = dl3dv_scenes.read_scene(folder)
  return clip.cameras, clip.origin, clip.warnings


def _by_path(folder):
  found = camera_files.from_json(folder / "transforms.json")
  file = camera_files.read_file(folder / "transforms.json")
  return found, tuple(file.extrinsics[0, :3, 3]), ()


_READERS = pytest.mark.parametrize("read", [_by_capture, _by_dl3dv, _by_path])


def _check_relative(cameras, origin):
  true = clips.poses(_FRAMES)
  poses = np.asarray(cameras.extrinsics, np.float64)
  found = np.linalg.inv(poses[5]) @ poses
  np.testing.assert_allclose(found, np.linalg.inv(true[5]) @ true, atol=1e-6)
  np.testing.assert_allclose(origin, _MAP + true[0, :3, 3], atol=1e-5)


@_READERS
def test_map_coordinates_keep_relative_poses(tmp_path, read):
  document = _document(tmp_path)
  for frame in document["frames"]:
    matrix = np.array(frame["transform_matrix"])
    matrix[:3, 3] += _MAP
    frame["transform_matrix"] = matrix.tolist()
  clips.write_transforms(tmp_path, document)
  cameras, origin, _ = read(tmp_path)
  _check_relative(cameras, origin)


def test_map_coordinates_of_camera_texts(tmp_path):
  _document(tmp_path / "raw")
  lines = ["url"]
  for i, c2w in enumerate(clips.poses(_FRAMES)):
    c2w[:3, 3] += _MAP
    row = [0.9, 1.2, 0.5, 0.5, 0, 0, *np.linalg.inv(c2w)[:3].ravel()]
    lines.append(f"{1000 * i} " + " ".join(f"{x:.17g}" for x in row))
  (tmp_path / "walk.txt").write_text("\n".join(lines))
  (tmp_path / "walk").mkdir()
  for i in range(_FRAMES):
    target = tmp_path / "walk" / f"{1000 * i}.png"
    shutil.copy(tmp_path / "raw/images" / f"frame_{i}.png", target)
  clip = re10k_texts.load_scene(tmp_path / "walk.txt")
  _check_relative(clip.cameras, clip.origin)
  assert "relative to the first camera" in clip.warnings[-1]
  assert video.raw_scene(clip, FrameOptions(size=24)).origin == clip.origin


@_READERS
@pytest.mark.parametrize(
  "fields",
  [
    {"camera_model": "EQUIRECTANGULAR"},
    {"camera_model": "ORTHOPHOTO"},
    {"latlong": True},
    {"ftheta_p0": 0, "ftheta_p1": 0.03},
  ],
)
def test_what_no_pinhole_shows_is_refused(tmp_path, read, fields):
  _document(tmp_path, **fields)
  with pytest.raises(InputError, match="cut pinhole views"):
    read(tmp_path)


@pytest.mark.parametrize(
  "fields",
  [
    {"camera_model": "OPENCV_FISHEYE", "k1": 0, "k2": 0, "k3": 0, "k4": 0},
    {"is_fisheye": True},
    {"camera_model": "OPENCV", "k1": -0.2, "k2": 0.02, "p1": 0.001},
    {"distortion_params": [-0.2, 0.02, 0, 0, 0.001, 0]},
    {"k5": 0.2, "k6": 0.1},
  ],
)
def test_a_lens_leaves_every_reader_with_the_same_pinhole(tmp_path, fields):
  _document(tmp_path, **fields)
  scene = capture.load(tmp_path, None)
  assert "made straight" in scene.warnings[0]
  clip = dl3dv_scenes.read_scene(tmp_path)
  assert "made straight" in clip.warnings[0]
  images, cameras = clip.render(None)
  np.testing.assert_array_equal(images, scene.images)
  path = camera_files.from_json(tmp_path / "transforms.json")
  for found in (cameras, path):
    np.testing.assert_allclose(
      found.intrinsics, scene.cameras.intrinsics, atol=1e-6
    )
  # What the release does with DL3DV: the lens taken for a pinhole.
  plain = dl3dv_scenes.read_scene(tmp_path, distorted=True)
  assert not plain.warnings
  assert plain.image(0).shape == (32, 48, 3)
  np.testing.assert_allclose(
    np.diag(plain.cameras.intrinsics[0]), [40 / 48, 40 / 32, 1]
  )


def test_a_wide_fisheye_sees_what_it_says(tmp_path):
  """r = f * angle: f = 15, half width 24: the edge is 91.7 degrees off."""
  document = _document(
    tmp_path, camera_model="OPENCV_FISHEYE", fl_x=15.0, fl_y=15.0
  )
  y, x = np.mgrid[0:32, 0:48] + 0.5
  angle = np.degrees(np.hypot(x - 24, y - 16) / 15)
  assert angle[16, 47] == pytest.approx(89.8, abs=0.1)
  picture = np.repeat(np.round(2 * angle)[..., None], 3, axis=-1)
  for frame in document["frames"]:
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(
      tmp_path / frame["file_path"]
    )
  scene = capture.load(tmp_path, None)
  _, height, width, _ = scene.images.shape
  y, x = np.mgrid[0:height, 0:width] + 0.5
  fx, fy = np.diag(scene.cameras.intrinsics[0])[:2] * [width, height]
  cx, cy = scene.cameras.intrinsics[0, :2, 2] * [width, height]
  seen = np.degrees(np.arctan(np.hypot((x - cx) / fx, (y - cy) / fy)))
  error = np.abs(scene.images[0, ..., 0] / 2 - seen)
  assert error[np.hypot(x - cx, y - cy) > 3].max() < 1.5  # degrees
  assert seen.max() > 65


@pytest.mark.parametrize(
  "fields, problem",
  [
    ({"camera_angle_x": 0.5}, "fl_x 40 sees 61.9 degrees"),
    ({"camera_angle_x": 60.0}, "no angle of view in radians"),
    ({"fl_x": 4.0, "fl_y": 4.0}, "millimetres"),
    ({"cx": 96.0, "cy": 64.0}, "give w and h of the pixels"),
    ({"cx": 0.0, "cy": 0.0}, "give w and h of the pixels"),
  ],
)
@_READERS
def test_contradicting_intrinsics_are_refused(tmp_path, read, fields, problem):
  _document(tmp_path, **fields)
  with pytest.raises(InputError, match=problem):
    read(tmp_path)


def test_intrinsics_of_larger_pictures_are_refused_in_poses_json(tmp_path):
  _document(tmp_path)
  (tmp_path / "transforms.json").unlink()
  k = [[80.0, 0, 48], [0, 80, 32], [0, 0, 1]]
  frames = [
    {"file": f"images/frame_{i}.png", "c2w": pose.tolist(), "K": k}
    for i, pose in enumerate(clips.poses(_FRAMES))
  ]
  (tmp_path / "poses.json").write_text(json.dumps({"frames": frames}))
  with pytest.raises(InputError, match="is the middle of 96x64 pixels, not of"):
    capture.load(tmp_path, 24)
  # Of the pixels that they are in, they are right.
  plain = capture.load(_written(tmp_path, frames, w=96, h=64), 24)
  np.testing.assert_allclose(
    np.diag(plain.cameras.intrinsics[0])[:2], 40 / 32, atol=1e-6
  )
  # Lenses are read by the rule of transforms.json.
  bent = capture.load(_written(tmp_path, frames, w=96, h=64, k1=-0.2), 24)
  assert "made straight" in bent.warnings[0]
  with pytest.raises(InputError, match="cut pinhole views"):
    capture.load(_written(tmp_path, frames, w=96, h=64, latlong=True), 24)


def _written(folder, frames, **fields):
  text = json.dumps({**fields, "frames": frames})
  (folder / "poses.json").write_text(text)
  return folder


def test_normalised_paths_have_no_lens(tmp_path):
  content = {
    "extrinsics": clips.poses(3).tolist(),
    "intrinsics": [[0.8, 0, 0.5], [0, 0.8, 0.5], [0, 0, 1]],
  }
  path = tmp_path / "path.json"
  path.write_text(json.dumps({**content, "camera_model": "PINHOLE"}))
  assert len(camera_files.from_json(path).extrinsics) == 3
  for fields in ({"is_fisheye": True}, {"k1": 0.1}):
    path.write_text(json.dumps({**content, **fields}))
    with pytest.raises(InputError, match="of pinholes"):
      camera_files.from_json(path)


def _by_colmap(folder):
  (folder / "transforms.json").unlink()
  clips.write_colmap(folder / "sparse/0")


@pytest.mark.parametrize(
  ("change", "told"),
  [
    (lambda folder: None, "30 of 36 images have no pose, left out"),
    (_by_colmap, "30 images are not in the model, left out"),
  ],
)
def test_images_without_a_pose_are_told(tmp_path, change, told):
  clips.write_capture(tmp_path)
  change(tmp_path)
  assert not capture.load(tmp_path, 24).warnings
  for i in range(90, 120):
    name = tmp_path / "images" / f"frame_{i}.png"
    shutil.copy(tmp_path / "images" / "frame_0.png", name)
  (note,) = capture.load(tmp_path, 24).warnings
  assert note.startswith(told)
