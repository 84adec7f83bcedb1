"""Images are found by as much of their path as pose file and capture share."""

import pytest

from scenetok_jax.reading.image_search import ImageFinder
from scenetok_jax.types import InputError


def _make(root, *names):
  for name in names:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"")


@pytest.mark.parametrize(
  "name, file",
  [
    ("cam0/001.jpg", "images/cam0/001.jpg"),
    ("images/cam0/001.jpg", "images/cam0/001.jpg"),
    ("/data/x/images/cam0/001.jpg", "images/cam0/001.jpg"),
    ("C:\\x\\images\\cam0\\001.jpg", "images/cam0/001.jpg"),
    ("cam0/001.png", "images/cam0/001.jpg"),
    ("./cam0/001", "images_2/cam0/001.png"),
    ("cam0/001.jpg", "images/001.jpg"),
    ("001.jpg", "images/cam0/001.jpg"),
    ("a/b/001.jpg", "input/b/001.jpg"),
    ("./train/r_0", "train/r_0.png"),
    ("/home/me/001.jpg", "001.jpg"),
  ],
)
def test_where_an_image_may_lie(tmp_path, name, file):
  _make(tmp_path, file)
  assert ImageFinder(tmp_path).find(name, "poses") == tmp_path / file


def test_cameras_of_a_rig_have_images_of_one_name(tmp_path):
  _make(tmp_path, *(f"images/cam{i}/{j}.jpg" for i in (0, 1) for j in (0, 1)))
  finder = ImageFinder(tmp_path)
  for i in (0, 1):
    for name in (f"cam{i}/0.jpg", f"/data/rig/images/cam{i}/1.jpg"):
      found = finder.find(name, "poses")
      assert found.parent.name == f"cam{i}"
  assert finder.left_out() == 0


def test_another_camera_s_image_does_not_serve(tmp_path):
  _make(tmp_path, "images/cam0/0.jpg")
  with pytest.raises(InputError, match=r"image 'cam1/0.jpg' is not in"):
    ImageFinder(tmp_path).find("cam1/0.jpg", "poses")


def test_a_name_of_two_images_is_refused(tmp_path):
  _make(tmp_path, "images/cam0/0.jpg", "images/cam1/0.jpg")
  with pytest.raises(InputError, match=r"'0.jpg' may be .*; name its folder"):
    ImageFinder(tmp_path).find("0.jpg", "poses")


def test_the_first_folder_is_preferred(tmp_path):
  _make(tmp_path, "images/0.jpg", "input/0.jpg", "images_4/0.jpg")
  find = {first: ImageFinder(tmp_path, first) for first in ("", "input")}
  assert find[""].find("0.jpg", "x") == tmp_path / "images/0.jpg"
  assert find["input"].find("0.jpg", "x") == tmp_path / "input/0.jpg"


def test_images_without_a_pose_are_counted(tmp_path):
  _make(tmp_path, *(f"images/{i}.jpg" for i in range(5)), "images/.x.jpg")
  finder = ImageFinder(tmp_path)
  finder.find("2.jpg", "poses")
  assert finder.left_out() == 4


def test_the_folder_of_images_may_be_a_link_but_nothing_in_it(tmp_path):
  store, capture = tmp_path / "store", tmp_path / "capture"
  _make(store, "images/cam0/0.jpg", "images/cam0/1.jpg", "other/cam1/0.jpg")
  capture.mkdir()
  (capture / "images").symlink_to(store / "images")
  finder = ImageFinder(capture)
  for name in ("images/cam0/0.jpg", "/data/cam0/1.jpg"):
    assert finder.find(name, "poses").resolve().parent.name == "cam0"
  (store / "images/cam1").symlink_to(store / "other/cam1")
  with pytest.raises(InputError, match=r"image 'images/cam1/0.jpg' is not in"):
    ImageFinder(capture).find("images/cam1/0.jpg", "poses")
  (store / "images/cam0/2.jpg").symlink_to(store / "other/cam1/0.jpg")
  with pytest.raises(InputError, match="link that leaves the capture"):
    ImageFinder(capture).find("cam0/2.jpg", "poses")
