"""Which pictures are taken, which pairs are matched, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from data_pipelines.photos import PhotoOptions, pictures, sfm, sharpness
from data_pipelines.photos.measures import check
from data_pipelines.photos.options import PoseOptions, Scale
from data_pipelines.photos.source import find_source
from scenetok_jax.media import write_mp4
from scenetok_jax.types import InputError


def _noise(height=48, width=64, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_blur_is_less_sharp():
  sharp = _noise(800, 1000)  # larger than the side at which blur is judged
  picture = Image.fromarray(sharp)
  blurred = np.asarray(picture.resize((100, 80)).resize(picture.size))
  assert sharpness.sharpness(sharp) > 4 * sharpness.sharpness(blurred) > 0


def test_the_sharpest_frame_of_each_stretch_is_taken():
  times = np.arange(12) / 10
  scores = np.ones(12)
  scores[[2, 3, 8]] = 2, 3, 4
  assert sharpness.sharpest(times, scores, count=3) == [3, 4, 8]
  # 1.2 seconds: the last frame is shown for a tenth, too.
  assert len(sharpness.sharpest(times, scores, rate=5)) == 6
  assert sharpness.sharpest(times, scores) == list(range(12))
  assert sharpness.sharpest([0.0], [1.0]) == [0]


def test_stretches_are_of_time_not_of_frames():
  times = [0.0, 0.1, 0.2, 0.3, 0.4, 5.0]  # a phone that skipped frames
  assert sharpness.sharpest(times, [1, 2, 1, 1, 1, 1], count=2) == [1, 5]


def test_long_videos_give_a_bounded_number_of_frames():
  times = np.arange(30 * 600) / 30
  assert len(sharpness.sharpest(times, np.ones(len(times)))) == 300
  assert len(sharpness.sharpest(times[:300], np.ones(300))) == 60


def test_neighbours_are_matched_and_some_that_are_far():
  pairs = sfm.neighbours(60)
  assert (0, 1) in pairs and (0, 10) in pairs and (0, 16) in pairs
  assert (0, 32) in pairs and (0, 11) not in pairs and (59, 60) not in pairs
  assert len(set(pairs)) == len(pairs)
  assert len(sfm.all_pairs(5)) == 10


def _photos(folder, count=3):
  folder.mkdir(parents=True)
  for i in range(count):
    Image.fromarray(_noise(seed=i)).save(folder / f"IMG_{i + 9}.png")


def test_photos_of_a_folder_or_of_its_images_are_in_natural_order(tmp_path):
  _photos(tmp_path / "mine" / "images")
  found = find_source(tmp_path / "mine")
  assert found.key == "mine" and not found.is_video
  assert [f.stem for f in found.files] == ["IMG_9", "IMG_10", "IMG_11"]
  same = find_source(tmp_path / "mine" / "images")
  assert same.files == found.files


def test_a_video_or_a_folder_with_one_is_a_source(tmp_path):
  write_mp4(tmp_path / "walk.mp4", np.stack([_noise()] * 3))
  assert find_source(tmp_path / "walk.mp4").is_video
  assert find_source(tmp_path).files == (tmp_path / "walk.mp4",)


@pytest.mark.parametrize(
  ("count", "message"), [(0, "fewer than 3 photos and 0 videos"), (2, "fewer")]
)
def test_too_few_photos_are_refused(tmp_path, count, message):
  _photos(tmp_path / "mine", count)
  with pytest.raises(InputError, match=message):
    find_source(tmp_path / "mine")


def test_other_files_are_no_source(tmp_path):
  (tmp_path / "poses.json").write_text("{}")
  with pytest.raises(InputError, match="--source: no video"):
    find_source(tmp_path / "poses.json")
  with pytest.raises(InputError, match="no such folder or video"):
    find_source(tmp_path / "nothing")
  with pytest.raises(InputError, match="--source: missing"):
    find_source(None)


def test_copies_are_upright_small_and_know_their_lens(tmp_path):
  folder = tmp_path / "mine"
  folder.mkdir()
  for i, focal in enumerate((26, 26, 52)):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x8825] = {1: "N"}  # where it was taken is nobody's business
    exif[0x8769] = {0xA405: focal}  # for 35 mm film
    Image.fromarray(_noise(60, 80)).save(folder / f"{i}.jpg", exif=exif)
  work = tmp_path / "work"
  names = pictures.write_pictures(
    find_source(folder), PoseOptions(), work, longest=40
  )
  assert names == {f"0000{i}.jpg": f"{i}.jpg" for i in range(3)}
  with Image.open(work / "images" / "00000.jpg") as copy:
    assert copy.size == (30, 40)
    exif = copy.getexif()
    assert 0x0112 not in exif and 0x8825 not in exif
    assert exif.get_ifd(0x8769)[0xA405] == 26
  keys = [pictures.lens_key(work / "images" / name) for name in names]
  assert keys[0] == keys[1] != keys[2]


def test_what_needs_no_change_is_copied_as_it_is(tmp_path):
  _photos(tmp_path / "mine")
  names = pictures.write_pictures(
    find_source(tmp_path / "mine"), PoseOptions(), tmp_path / "work", None
  )
  for name, original in names.items():
    copy = (tmp_path / "work" / "images" / name).read_bytes()
    assert copy == (tmp_path / "mine" / original).read_bytes()


def test_a_damaged_photo_is_named(tmp_path):
  _photos(tmp_path / "mine")
  path = tmp_path / "mine" / "IMG_10.png"
  path.write_bytes(path.read_bytes()[:200])
  with pytest.raises(InputError, match=r"IMG_10\.png: cannot be decoded"):
    pictures.write_pictures(
      find_source(tmp_path / "mine"), PoseOptions(), tmp_path / "work", 32
    )


def test_frames_of_a_video_are_chosen_once(tmp_path):
  still = np.full((8, 64, 64, 3), 128, np.uint8)
  still[[1, 4, 6]] = _noise(64, 64)
  write_mp4(tmp_path / "walk.mp4", still)
  source = find_source(tmp_path / "walk.mp4")
  options, work = PoseOptions(count=4), tmp_path / "work"
  names = pictures.write_pictures(source, options, work, 64)
  assert list(names.values()) == ["frame 1", "frame 2", "frame 4", "frame 6"]
  (work / "images" / "000004.jpg").unlink()
  before = (work / "images" / "000001.jpg").stat().st_mtime_ns
  assert pictures.write_pictures(source, options, work, 64) == names
  assert (work / "images" / "000004.jpg").exists()
  assert (work / "images" / "000001.jpg").stat().st_mtime_ns == before


def test_scales_are_a_depth_or_a_factor():
  assert PoseOptions().asked_scale == Scale(2.5, None)
  assert PoseOptions(scale="x0.1").asked_scale == Scale(None, 0.1)
  for wrong in ("", "x", "0", "-1", "1e99", "2m", "..", "x1e-9"):
    with pytest.raises(InputError, match="--scale="):
      PoseOptions(scale=wrong)
  with pytest.raises(InputError, match="--rate, --count"):
    PhotoOptions(rate=1.0, count=9)


_GOOD = {
  "pictures": 10, "registered": 9, "registered_share": 0.9, "left_out": ["a"],
  "other_models": [], "reprojection_error": 0.5, "track_length": 5.0,
  "points": 99,
}  # fmt: skip


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"registered_share": 0.2}, r"fewer than --min-registered=0.6 .*overlap"),
    ({"registered_share": 0.2, "other_models": [3]}, r"\[3\] others fit"),
    ({"reprojection_error": 2.5}, r"more than --max-error=2: sharper"),
    ({"track_length": 2.0}, r"fewer than --min-track=3: more overlap"),
  ],
)
def test_estimates_beyond_the_limits_are_refused(changes, message):
  check(_GOOD, PoseOptions(), "mine")
  with pytest.raises(InputError, match=f"mine: poses: 9 of 10 .*{message}"):
    check(_GOOD | changes, PoseOptions(), "mine")
