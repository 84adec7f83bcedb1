"""Videos give every frame once, as it was recorded, whatever their rate."""

import json
import subprocess
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import capture
from scenetok_jax import media
from scenetok_jax.inference.conditions import camera_of_photo
from scenetok_jax.reading import orientation, videos
from scenetok_jax.types import InputError

_TIMES = [0, 3, 6, 12, 18, 20, 21, 30, 45, 46, 47, 60]  # in sixtieths


def write_video(path, levels, times, rotation=0):
  """Grey frames [48 96] shown at times / 60 seconds; left half 30 darker."""
  with av.open(str(path), "w") as container:
    stream = container.add_stream("libx264", rate=60, options={"crf": "1"})
    stream.width, stream.height, stream.pix_fmt = 96, 48, "yuv444p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, 60)
    for level, time in zip(levels, times, strict=True):
      pixels = np.full((48, 96, 3), level, np.uint8)
      pixels[:, :48] -= 30
      frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
      frame.pts, frame.time_base = time, Fraction(1, 60)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_frames_of_a_variable_rate_come_once_each(tmp_path):
  levels = [40 + 15 * i for i in range(len(_TIMES))]
  write_video(tmp_path / "x.mp4", levels, _TIMES)
  found = list(videos.video_frames(tmp_path / "x.mp4"))
  got = [int(frame.pixels[24, 72].mean()) for frame in found]
  np.testing.assert_allclose(got, levels, atol=3)
  seconds = [frame.seconds for frame in found]
  np.testing.assert_allclose(seconds, np.array(_TIMES) / 60, atol=1e-3)
  np.testing.assert_array_equal(
    media.read_video(tmp_path / "x.mp4", 3),
    [frame.pixels for frame in found[:3]],
  )


@pytest.mark.parametrize("data", [b"", b"no video", bytes(4096)])
def test_damage_is_one_error(tmp_path, data):
  (tmp_path / "x.mp4").write_bytes(data)
  with pytest.raises(InputError, match=r"x\.mp4: video cannot be read"):
    media.read_video(tmp_path / "x.mp4")


def test_a_list_of_other_files_is_no_video(tmp_path):
  write_video(tmp_path / "other.mp4", [100, 200], [0, 1])
  (tmp_path / "x.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
  with pytest.raises(InputError, match=r"x\.mp4: video cannot be read"):
    media.read_video(tmp_path / "x.mp4")


def test_a_stream_of_an_unknown_codec_is_damage(tmp_path):
  write_video(tmp_path / "x.mp4", [100, 200], [0, 1])
  data = (tmp_path / "x.mp4").read_bytes()
  assert b"vide" in data and b"avc1" in data
  (tmp_path / "x.mp4").write_bytes(data.replace(b"avc1", b"\0\0\0\0"))
  with pytest.raises(InputError, match=r"x\.mp4: video cannot be read"):
    media.read_video(tmp_path / "x.mp4")


def test_frames_larger_than_the_header_says_are_refused(tmp_path, monkeypatch):
  write_video(tmp_path / "x.mp4", [100, 200], [0, 1])
  file = tmp_path / "x.mp4"
  size = (96 << 16 | 48).to_bytes(4, "big")
  file.write_bytes(
    file.read_bytes().replace(size, (1 << 16 | 1).to_bytes(4, "big"))
  )
  assert len(media.read_video(file)) == 2
  monkeypatch.setattr(videos, "MAX_PIXELS", 1000)
  with pytest.raises(InputError, match=r"x\.mp4: video cannot be read"):
    media.read_video(file)


def test_a_video_of_more_frames_than_memory_is_refused(tmp_path, monkeypatch):
  write_video(tmp_path / "x.mp4", [100, 200, 100], [0, 1, 2])
  monkeypatch.setattr(media, "_MAX_BYTES", 2 * 96 * 48 * 3)
  with pytest.raises(InputError, match="more than 0 GiB; ask for fewer than 3"):
    media.read_video(tmp_path / "x.mp4")
  assert len(media.read_video(tmp_path / "x.mp4", 2)) == 2


@pytest.mark.parametrize(
  ("degrees", "tag"), [(90, 8), (-90, 6), (180, 3)], ids=str
)
def test_turned_videos_are_upright_with_their_cameras(tmp_path, degrees, tag):
  write_video(tmp_path / "plain.mp4", [100, 160, 220], [0, 1, 2])
  _turn(tmp_path / "plain.mp4", tmp_path / "clip.mp4", degrees)
  frame = next(videos.video_frames(tmp_path / "clip.mp4"))
  assert frame.tag == tag and frame.pixels.shape == (48, 96, 3)
  (tmp_path / "plain.mp4").unlink()
  # A camera of the stored pixels, right and below of whose middle is a point.
  k = [[80.0, 0, 46], [0, 80, 25], [0, 0, 1]]
  frames = [{"index": i, "c2w": np.eye(4).tolist(), "K": k} for i in range(3)]
  (tmp_path / "poses.json").write_text(json.dumps({"frames": frames}))
  scene = capture.load(tmp_path, None)
  assert scene.images.shape[1:3] == ((96, 48) if tag > 4 else (48, 96))
  np.testing.assert_array_equal(
    scene.images[0], orientation.apply(frame.pixels, frame.tag)
  )
  if tag > 4:  # sizes tell: the camera turned, and so did its centre
    centre = np.array([46 / 96, 25 / 48]) - 0.5
    turned = orientation.axes(tag) @ (centre * [96, 48]) / [48, 96] + 0.5
    np.testing.assert_allclose(
      scene.cameras.intrinsics[0, :2, 2], turned, atol=1e-6
    )
    turn = scene.cameras.extrinsics[0, :2, :2].T
    np.testing.assert_allclose(turn, orientation.axes(tag), atol=1e-6)
  assert "orientation tag" in scene.warnings[0]


def _turn(source, target, degrees):
  """Copies a video with another rotation of its display matrix."""
  tool = imageio_ffmpeg.get_ffmpeg_exe()
  turn = ["-display_rotation", str(degrees), "-i", str(source)]
  subprocess.run(
    [tool, "-loglevel", "error", *turn, "-c", "copy", str(target)], check=True
  )


def test_one_photo_is_upright_before_its_field_of_view_is_taken(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6
  stored = Image.new("RGB", (128, 96))
  stored.save(tmp_path / "photo.jpg", exif=exif)
  picture = media.read_image(tmp_path / "photo.jpg")
  assert picture.shape == (128, 96, 3)
  lens = camera_of_photo(picture, 60.0).intrinsics[0]
  np.testing.assert_allclose(lens[0, 0] * 96, 83.1, atol=0.05)
  np.testing.assert_allclose(lens[1, 1] * 128, 83.1, atol=0.05)
