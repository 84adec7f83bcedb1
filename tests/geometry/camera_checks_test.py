"""One check of cameras for every reader: what is refused, and how."""

import warnings

import numpy as np
import pytest

from data_pipelines.storage import records
from scenetok_jax.geometry import camera_files
from scenetok_jax.geometry.camera_checks import check_cameras, check_rigid
from scenetok_jax.inference.given_views import fit_views
from scenetok_jax.io import write_json
from scenetok_jax.types import Cameras, InputError
from tests.geometry.poses import cameras, random_poses


def test_good_poses_pass_even_in_float16():
  check_rigid(random_poses(8, 2, 50).astype(np.float16), "file: poses")


def _spoil(kind: str) -> np.ndarray:
  poses = random_poses(9, 4)
  if kind == "nan":
    poses[2, 0, 0] = np.nan
  elif kind == "scale":
    poses[2, :3, :3] *= 1.1
  elif kind == "mirror":
    poses[2, :3, 0] *= -1
  else:
    poses[2] = poses[2].T
  return poses


@pytest.mark.parametrize(
  "kind, message",
  [
    ("nan", "NaN"),
    ("scale", "not orthonormal"),
    ("mirror", "determinant -1"),
    ("transposed", "last row"),
  ],
)
def test_bad_pose_names_source_and_frame(kind, message):
  with pytest.raises(
    InputError, match=rf"^a\.json: poses: frame 2: .*{message}"
  ):
    check_rigid(_spoil(kind), "a.json: poses")


def test_a_signalling_nan_is_refused_without_a_warning():
  poses = random_poses(9, 4).astype(np.float32)
  poses[2].view(np.uint32)[0, 0] = 0x7F800001
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    with pytest.raises(InputError, match=r"frame 2: .*NaN"):
      check_rigid(poses, "a.json: poses")


def test_wrong_shape_is_refused():
  with pytest.raises(InputError, match=r"shape \(3, 4\)"):
    check_rigid(np.eye(4)[:3], "a.json: poses")


def _lens(row, column, value):
  def spoil(extrinsics, intrinsics):
    intrinsics[2, row, column] = value

  return spoil


def _move(distance):
  def spoil(extrinsics, intrinsics):
    extrinsics[2, 0, 3] = distance

  return spoil


def _pixels(extrinsics, intrinsics):
  intrinsics[2, :2] *= 640


def _turned(extrinsics, intrinsics):
  extrinsics[2, :3, :3] *= 1.1


SPOILT = [
  (_lens(0, 0, np.nan), "NaN or Inf"),
  (_lens(0, 0, 1e300), "are not from 0.01 to 100"),
  (_lens(0, 0, 1e30), "are not from 0.01 to 100"),
  (_lens(1, 1, 1e-300), "are not from 0.01 to 100"),
  (_lens(0, 0, 20.0), "pixels would be .* times as wide"),
  (_lens(0, 0, -0.8), "focal lengths must be positive"),
  (_lens(1, 1, 0.0), "focal lengths must be positive"),
  (_lens(0, 2, 1e9), "are these pixels"),
  (_lens(1, 2, -3.0), "principal point .* outside"),
  (_lens(0, 1, 0.5), "no pinhole"),
  (_lens(1, 0, 0.5), "no pinhole"),
  (_lens(2, 2, 0.0), "no pinhole"),  # singular
  (_lens(2, 0, 1.0), "no pinhole"),
  (_pixels, "are these pixels"),
  (_turned, "not orthonormal"),
  (_move(1e38), "further than 1,000,000"),
  (_move(1e300), "further than 1,000,000"),
  (_move(-2e6), "further than 1,000,000"),
]


def _spoilt(spoil):
  good = cameras(random_poses(1, 4))
  found = [np.array(x, np.float64) for x in (good.extrinsics, good.intrinsics)]
  spoil(*found)
  return Cameras(*found)


def _by_arrays(found, folder):
  check_cameras(found.extrinsics, found.intrinsics, "a.json")


def _by_python(found, folder):
  fit_views([np.zeros((8, 8, 3), np.uint8)] * 4, found, 8)


def _by_path_file(found, folder):
  lists = {
    name: [m.tolist() for m in getattr(found, name)]
    for name in ("extrinsics", "intrinsics")
  }
  text = repr(lists).replace("'", '"').replace("nan", "NaN")
  (folder / "a.json").write_text(text)
  camera_files.from_json(folder / "a.json")


def _by_records(found, folder):
  with np.errstate(over="ignore"):
    numbers = records.flatten_cameras(found)
  records.to_cameras(numbers, "scene a")


@pytest.mark.parametrize("reader", [_by_arrays, _by_python, _by_path_file])
@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_every_reader_refuses_what_is_no_camera(
  reader, spoil, message, tmp_path
):
  with (
    warnings.catch_warnings(),
    pytest.raises(InputError, match=rf"frame 2: .*({message})") as told,
  ):
    warnings.simplefilter("error")  # which would be lines on stderr
    reader(_spoilt(spoil), tmp_path)
  assert "\n" not in str(told.value)


@pytest.mark.parametrize("spoil", [spoil for spoil, _ in SPOILT])
def test_records_of_what_is_no_camera_are_refused(spoil):
  with pytest.raises(InputError, match=r"a: cameras: .*: frame 2: .*; prepare"):
    _by_records(_spoilt(spoil), None)


def test_counts_must_agree(tmp_path):
  good = cameras(random_poses(1, 5))
  with pytest.raises(InputError, match="5 extrinsics and 4 intrinsics"):
    check_cameras(good.extrinsics, good.intrinsics[:4], "a.json")
  with pytest.raises(InputError, match=r"shape \[5, 3, 4\]"):
    check_cameras(good.extrinsics[:, :3], good.intrinsics, "a.json")


def test_pixels_are_about_square_where_the_size_is_known():
  good = cameras(random_poses(1, 5))  # fy is 1.2 fx
  found = good.extrinsics, good.intrinsics, "a.json"
  check_cameras(*found, size=(100, 120))
  check_cameras(*found, size=np.full((5, 2), (100, 120)))
  with pytest.raises(InputError, match=r"frame 0: pixels would be 1\.92 times"):
    check_cameras(*found, size=(160, 100))


def test_lenses_from_fisheye_to_telescope_are_taken():
  poses = random_poses(1, 4)
  poses[:, :3, 3] = 1e6
  for focal in (0.011, 0.5, 80.0):
    found = cameras(poses, focal)
    check_cameras(found.extrinsics, found.intrinsics, "a.json")


def test_transforms_with_one_huge_focal_length_are_refused(tmp_path):
  frames = [
    {"transform_matrix": np.eye(4).tolist(), "fl_x": focal}
    for focal in (500, 500, 5e4)
  ]
  content = {"w": 640, "h": 480, "fl_y": 500, "frames": frames}
  write_json(tmp_path / "transforms.json", content)
  with pytest.raises(InputError, match="intrinsics: frame 2: pixels would be"):
    camera_files.from_json(tmp_path / "transforms.json")
