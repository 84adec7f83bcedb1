"""A path keeps its shape and its field of view, or the ones asked for."""

import json

import numpy as np
import pytest

from scenetok_jax.geometry.origins import moved
from scenetok_jax.sampling import paths, views
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.types import Cameras, InputError
from tests.geometry.poses import ring


def _file(folder, **more):
  """A 16:9 path of 128x72 pixels with a focal length of 80."""
  rows = ring(6) @ np.diag([1.0, -1, -1, 1])
  content = {"w": 128, "h": 72, "fl_x": 80, "fl_y": 80, **more}
  content["frames"] = [{"transform_matrix": row.tolist()} for row in rows]
  (folder / "path.json").write_text(json.dumps(content))
  return str(folder / "path.json")


def _lens(path, side=64, **view):
  return path.seen(side, ViewOptions(**view)).cameras.intrinsics[0]


def test_a_wide_path_is_cropped_as_captures_are(tmp_path):
  path = paths.from_file(_file(tmp_path), PathOptions())
  lens = _lens(path)
  # The square of 72 pixels in the middle: fx = fy = 80 / 72.
  np.testing.assert_allclose(np.diag(lens), [80 / 72, 80 / 72, 1], rtol=2e-3)
  np.testing.assert_allclose(lens[:2, 2], 0.5, atol=1e-6)


def test_a_wide_path_is_rendered_wide_where_it_is_asked_for(tmp_path):
  path = paths.from_file(_file(tmp_path), PathOptions())
  lens = _lens(path, size="128x72")
  # The square around it has the width of 128 pixels.
  np.testing.assert_allclose(np.diag(lens), [80 / 128, 80 / 128, 1], rtol=1e-6)
  video = np.zeros((1, 2, 64, 64, 3), np.uint8)
  video[..., 14:50, :, :] = 200  # the 36 rows of 64 that 16:9 has
  frames = views.cut(video, ViewOptions(size="128x72"))
  assert frames.shape == (1, 2, 72, 128, 3)
  assert frames[:, :, 4:-4].min() >= 199  # resampling sees what was cut off
  np.testing.assert_array_equal(views.cut(video, ViewOptions()), video)


def test_the_field_of_view_may_be_chosen(tmp_path):
  path = paths.from_file(_file(tmp_path), PathOptions())
  focal = 0.5 / np.tan(np.radians(30))
  np.testing.assert_allclose(
    _lens(path, fov=60.0), [[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]
  )
  tall = _lens(path, fov=60.0, size="36x64")
  # Of 36 pixels, 60 degrees; the square around them has 64.
  np.testing.assert_allclose(np.diag(tall)[:2], focal * 36 / 64, rtol=1e-6)


def test_normalised_lenses_of_oblong_pictures_are_cropped(tmp_path):
  lens = [[80 / 128, 0, 0.5], [0, 80 / 72, 0.5], [0, 0, 1]]
  content = {"extrinsics": ring(3).tolist(), "intrinsics": lens}
  (tmp_path / "path.json").write_text(json.dumps(content))
  path = paths.from_file(str(tmp_path / "path.json"), PathOptions())
  np.testing.assert_allclose(np.diag(_lens(path))[:2], 80 / 72, rtol=2e-3)
  np.testing.assert_allclose(
    np.diag(_lens(path, size="64x64"))[:2], 80 / 72, rtol=2e-3
  )


def test_named_paths_stay_as_they_are():
  context = Cameras(ring(4), np.tile(np.diag([0.8, 0.82, 1]), (4, 1, 1)))
  path = paths.through_scene("spline", None, context, PathOptions())
  assert path.seen(64, ViewOptions()) is path


def test_a_path_in_map_coordinates_follows_its_scene(tmp_path):
  offset = np.array([448262.5, 5411932.25, 120.0])
  rows = moved(ring(6), -offset) @ np.diag([1.0, -1, -1, 1])
  name = _file(tmp_path)
  content = json.loads((tmp_path / "path.json").read_text())
  content["frames"] = [{"transform_matrix": row.tolist()} for row in rows]
  (tmp_path / "path.json").write_text(json.dumps(content))
  path = paths.from_file(name, PathOptions(), offset)
  np.testing.assert_allclose(path.cameras.extrinsics, ring(6), atol=1e-6)
  with pytest.raises(InputError, match="further than"):
    paths.from_file(name, PathOptions())


@pytest.mark.parametrize(
  "fields",
  [{"camera_model": "EQUIRECTANGULAR"}, {"is_fisheye": True, "p1": 0.1}],
)
def test_a_path_of_no_pinhole_is_refused(tmp_path, fields):
  with pytest.raises(InputError, match=r"camera_model|p1"):
    paths.from_file(_file(tmp_path, **fields), PathOptions())


def test_a_far_field_of_view_is_told():
  def of(focal):
    return Cameras(ring(2), np.tile(np.diag([focal, focal, 1]), (2, 1, 1)))

  assert "53 degrees, that of the context views 90" in views.far_view(
    of(1.0), of(0.5)
  )
  assert not views.far_view(of(1.0), of(0.9))


@pytest.mark.parametrize("size", ["64", "0x64", "64x64x3", "ax8", "9999x64"])
def test_sizes_that_are_none_are_refused(size):
  with pytest.raises(InputError, match="--size"):
    ViewOptions(size=size)
  with pytest.raises(InputError, match="--fov"):
    ViewOptions(fov=0.5)
