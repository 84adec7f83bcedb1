"""Camera texts: images are found by their time, not by its exact digits."""

import numpy as np
import pytest

from data_pipelines.sources import re10k_texts
from scenetok_jax.types import InputError
from tests.data_pipelines import chunks

_ROWS = 12
_STEP = 33_367  # microseconds
_FIRST = 52_553_000


def _clip(folder, names):
  """A text of _ROWS rows, and images called NAME.jpg of growing brightness."""
  scene = chunks.scene("walk", frames=_ROWS)
  lines = [
    " ".join([str(_FIRST + _STEP * i), *(f"{x:.9g}" for x in row)])
    for i, row in enumerate(scene["cameras"])
  ]
  (folder / "walk").mkdir()
  for i, name in names.items():
    (folder / "walk" / f"{name}.jpg").write_bytes(scene["images"][i].tobytes())
  (folder / "walk.txt").write_text("\n".join(["url", *lines]) + "\n")
  return re10k_texts.load_scene(folder / "walk.txt")


def _times(offsets):
  pairs = enumerate(offsets)
  return {i: _FIRST + _STEP * i + o for i, o in pairs if o is not None}


_SOME = [0, 33, -50, 100, -100, 333, 500, -500, 700, -900, 1000, -33]


@pytest.mark.parametrize(
  "offsets",
  [
    _SOME,
    [1, *_SOME[1:]],
    [0] * 6 + _SOME[6:],
    [8000, -8000] * 6,
    [7_999] * _ROWS,
  ],
)
def test_the_nearest_image_within_8_ms_is_taken(tmp_path, offsets):
  clip = _clip(tmp_path, _times(offsets))
  assert len(clip) == _ROWS
  levels = [clip.image(i).mean() for i in range(_ROWS)]
  assert np.all(np.diff(levels) > 0)
  (note,) = clip.warnings
  largest = max(map(abs, offsets)) / 1000
  assert f"up to {largest:.3g} ms off their rows' timestamps" in note


def test_exact_names_need_no_note(tmp_path):
  assert not _clip(tmp_path, _times([0] * _ROWS)).warnings


def test_a_frame_that_is_missing_leaves_out_its_row_alone(tmp_path):
  offsets = [400, *[None], *[-300] * 10]
  clip = _clip(tmp_path, _times(offsets))
  all_rows = re10k_texts.read_text(tmp_path / "walk.txt")[1].extrinsics
  np.testing.assert_array_equal(
    clip.cameras.extrinsics, np.delete(all_rows, 1, axis=0)
  )
  assert clip.warnings[0] == "1 rows have no image, left out"


def test_no_image_serves_two_rows_and_far_ones_none(tmp_path):
  names = _times([0] * 6 + [None] * 6) | {6: _FIRST + 5 * _STEP + 8_500}
  clip = _clip(tmp_path, names)
  assert len(clip) == 6
  assert "6 rows have no image, left out" in clip.warnings
  assert "1 images have no row, left out" in clip.warnings


def test_numbered_images_are_taken_in_order(tmp_path):
  clip = _clip(tmp_path, {i: f"{i + 1:05d}" for i in range(_ROWS)})
  assert len(clip) == _ROWS and "taken in order" in clip.warnings[0]


def test_images_of_another_time_are_refused(tmp_path):
  with pytest.raises(InputError, match=r"none of its 12 .* within 8 ms"):
    _clip(tmp_path, {i: 90_000_000 + _STEP * i for i in range(5)})
