"""DL3DV: frames are matched to images by name and sub-folders."""

import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import dl3dv_scenes
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

_CAMERAS = ("cam0", "cam1")


def _rig(folder, named=True):
  """Two cameras whose images have the same names; frames from 0 on."""
  document = clips.write_capture(folder, 4)
  for i, frame in enumerate(document["frames"]):
    place = folder / "images" / _CAMERAS[i // 2]
    place.mkdir(exist_ok=True)
    (folder / frame["file_path"]).rename(place / f"{i % 2}.png")
    name = f"images/{_CAMERAS[i // 2]}/{i % 2}.png"
    frame["file_path"] = name if named else f"{i % 2}.png"
  document["frames"].reverse()  # the file's order does not count
  clips.write_transforms(folder, document)
  return document


@pytest.mark.parametrize("place", ["images", "images_4"])
def test_images_in_sub_folders_are_those_of_their_camera(tmp_path, place):
  _rig(tmp_path)
  (tmp_path / "images").rename(tmp_path / place)
  clip = dl3dv_scenes.read_scene(tmp_path)
  found, _ = clip.render((16, 16))
  assert [name.split("/")[-2:] for name in clip.names] == [
    [camera, f"{i}.png"] for camera in _CAMERAS for i in range(2)
  ]
  levels = found.reshape(4, -1).mean(axis=1)
  assert (np.diff(levels) > 15).all()  # each frame is 20 brighter
  expected = clips.poses(4)
  np.testing.assert_allclose(clip.cameras.extrinsics, expected, atol=1e-6)
  assert not clip.warnings


def test_a_name_that_fits_two_images_is_refused(tmp_path):
  _rig(tmp_path, named=False)
  with pytest.raises(InputError, match=r"may be .*cam0/1\.png or .*cam1/1\."):
    dl3dv_scenes.read_scene(tmp_path)


def test_images_without_a_pose_are_counted_in_sub_folders(tmp_path):
  _rig(tmp_path)
  image = Image.open(tmp_path / "images/cam1/0.png")
  image.save(tmp_path / "images/cam1/7.png")
  clip = dl3dv_scenes.read_scene(tmp_path)
  assert clip.warnings == ("1 images of images have no pose, left out",)
  image.save(tmp_path / "images/cam1/1.jpg")
  with pytest.raises(InputError, match=r"1\.png: 1\.jpg has the same name"):
    dl3dv_scenes.read_scene(tmp_path)
