"""Images and videos are written whole and read back, or refused clearly."""

import imageio.v3 as iio
import numpy as np
import pytest

from scenetok_jax import media
from scenetok_jax.types import InputError


def _frames(count=3, height=20, width=31):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (count, height, width, 3), np.uint8)


def test_png_round_trip_is_exact_and_leaves_no_temporary(tmp_path):
  image = _frames()[0]
  media.write_png(tmp_path / "new" / "a.png", image)
  np.testing.assert_array_equal(
    media.read_image(tmp_path / "new" / "a.png"), image
  )
  assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_read_image_makes_gray_images_rgb(tmp_path):
  media.write_png(tmp_path / "a.png", _frames()[0, ..., 0])
  assert media.read_image(tmp_path / "a.png").shape == (20, 31, 3)


def test_float_frames_are_refused(tmp_path):
  with pytest.raises(ValueError, match="uint8"):
    media.write_png(tmp_path / "a.png", _frames()[0] / 255.0)


def test_mp4_has_every_frame_an_even_size_and_the_content(tmp_path):
  ramp = np.linspace(0, 255, 31).astype(np.uint8)
  frames = np.broadcast_to(ramp[None, None, :, None], (5, 21, 31, 3))
  media.write_mp4(tmp_path / "a.mp4", frames, fps=5, min_size=40)
  video = iio.imread(tmp_path / "a.mp4", plugin="FFMPEG")
  assert video.shape == (5, 42, 62, 3)
  upscaled = media.enlarge(frames, 40).astype(float)
  assert np.abs(video.astype(float) - upscaled).mean() < 3
  assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_mp4_pads_odd_sizes(tmp_path):
  media.write_mp4(tmp_path / "a.mp4", _frames(2, 21, 31), min_size=0)
  video = iio.imread(tmp_path / "a.mp4", plugin="FFMPEG")
  assert video.shape == (2, 22, 32, 3)


def test_unwritable_output_is_an_input_error(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot be written"):
    media.write_png(tmp_path / "file" / "a.png", _frames()[0])


def test_contact_sheet_holds_every_frame_and_a_label_per_row():
  frames = _frames(3, 16, 16)
  sheet = media.contact_sheet(
    [("context", frames), ("truth", frames[:2])], min_size=16
  )
  gap, title = 4, 20
  assert sheet.dtype == np.uint8
  assert sheet.shape[0] == 2 * (title + gap + 16)
  second = sheet[title : title + 16, 2 * gap + 16 : 2 * gap + 32]
  np.testing.assert_array_equal(second, frames[1])
  assert (sheet[:title] < 128).any(), "the label leaves ink"


def test_contact_sheet_thins_long_rows_and_enlarges_small_frames():
  frames = _frames(9, 16, 16)
  sheet = media.contact_sheet([("", frames)], columns=3, min_size=32)
  assert sheet.shape[1] == 3 * (32 + 4) + 4


def test_contact_sheet_keeps_long_labels_whole():
  label = "a label much longer than its only frame"
  sheet = media.contact_sheet([(label, _frames(1, 16, 16))], min_size=16)
  assert sheet.shape[1] > 200


def test_error_map_is_dark_for_equal_images_and_brighter_with_error():
  truth = np.zeros((4, 4, 3), np.uint8)
  levels = [
    int(media.error_map(truth + np.uint8(step), truth).sum())
    for step in (0, 20, 60, 120)
  ]
  assert levels == sorted(levels) and levels[0] < levels[-1]


@pytest.mark.parametrize("kind", ["missing", "text", "truncated", "folder"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_unreadable_image_is_an_input_error_naming_the_file(
  tmp_path, kind, suffix
):
  path = tmp_path / f"frame.{suffix}"
  if kind == "text":
    path.write_text("no image")
  if kind == "truncated":
    iio.imwrite(path, _frames(1, 64, 64)[0])
    path.write_bytes(path.read_bytes()[:1500])
  if kind == "folder":
    path.mkdir()
  with pytest.raises(InputError, match=str(path)) as caught:
    media.read_image(path)
  assert "\n" not in str(caught.value)
