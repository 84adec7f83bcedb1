"""docs/animation.py sets videos side by side in one picture that moves."""

import numpy as np
import pytest
from PIL import Image

from docs import animation
from scenetok_jax import media

_RNG = np.random.default_rng(0)


def _videos(folder, lengths, side):
  for number, length in enumerate(lengths):
    noise = _RNG.integers(0, 256, (length, 1, 1, 3), dtype=np.uint8)
    media.write_mp4(
      folder / f"{number}.mp4", np.broadcast_to(noise, (length, side, side, 3))
    )
  return [str(folder / f"{number}.mp4") for number in range(len(lengths))]


def test_the_picture_has_the_frames_of_the_shortest(tmp_path, capsys):
  out = tmp_path / "walk.webp"
  videos = _videos(tmp_path, (12, 9), 32)
  animation.main([str(out), *videos, "--side=24", "--rate=20"])
  with Image.open(out) as picture:
    assert picture.size == (48, 24)
    assert picture.n_frames == 9
    picture.seek(3)
    picture.load()
    assert picture.info["duration"] == 50
    shown = np.asarray(picture.convert("RGB"))
  truth = media.read_video(videos[1])[3].mean((0, 1))
  assert np.abs(shown[:, 24:].mean((0, 1)) - truth).max() < 8
  assert f"{out.stat().st_size:,} bytes" in capsys.readouterr().out


def test_what_no_page_should_load_is_refused(tmp_path):
  out = tmp_path / "large.webp"
  noise = _RNG.integers(0, 256, (12, 768, 768, 3), dtype=np.uint8)
  with pytest.raises(SystemExit, match="--side"):
    animation.write(out, [noise], 768, 10.0)
  assert not out.exists()
