"""New indexes depend on the seed and the scene alone, and keep their word."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.storage.records import SceneRow
from data_pipelines.views.index_making import CHOICES, IndexOptions, entry
from scenetok_jax.geometry.cameras import view_angles
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

POSES = clips.poses(40)


def row(key: str = "a", frames: int = 40, held_out=()) -> SceneRow:
  return SceneRow(key, frames, 8, 8, "test", "", 0, tuple(held_out))


@pytest.mark.parametrize("choose", [c for c in CHOICES if c != "heading"])
def test_context_lies_in_the_window_and_targets_fill_it(choose):
  options = IndexOptions(context=5, targets=20, choose=choose)
  found = entry(row(), POSES, options)
  assert found["target"] == list(range(20))
  assert len(set(found["context"])) == 5
  assert found["context"] == sorted(found["context"])
  assert set(found["context"]) <= set(found["target"])
  assert found == entry(row(), POSES, options)


def test_farthest_starts_at_the_first_frame_as_published_files_do():
  options = IndexOptions(context=4, targets=30)
  assert entry(row(), POSES, options)["context"][0] == 0


def test_a_wider_span_than_targets():
  options = IndexOptions(context=4, targets=8, span=30, choose="ends")
  found = entry(row(), POSES, options)
  assert found["context"][0] == 0 and found["context"][-1] == 29
  assert found["target"] == list(range(8))


def test_the_gap_holds_and_targets_lie_between():
  options = IndexOptions(
    context=2, targets=3, gap=(10, 15), choose="ends", start="random"
  )
  gaps, firsts = set(), set()
  for i in range(40):
    found = entry(row(f"s{i}"), POSES, options)
    first, last = found["context"]
    assert 10 <= last - first <= 15 and first >= 0 and last < 40
    assert all(first < frame < last for frame in found["target"])
    assert len(set(found["target"])) == 3
    gaps.add(last - first)
    firsts.add(first)
  assert {10, 15} <= gaps and len(firsts) > 10


def test_the_seed_and_the_name_decide():
  options = IndexOptions(context=5, targets=30, choose="random")
  base = entry(row(), POSES, options)
  other = dataclasses.replace(options, seed=1)
  assert entry(row(), POSES, other) != base
  assert entry(row("b"), POSES, options) != base


def test_headings_are_apart():
  options = IndexOptions(context=4, choose="heading", min_heading=20)
  context = entry(row(), POSES, options)["context"]
  angles = view_angles(POSES[context])
  assert angles[~np.eye(4, dtype=bool)].min() >= 20


def test_held_out_frames_are_the_targets_and_never_context():
  held = list(range(2, 40, 5))
  options = IndexOptions(context=6, targets=40)
  found = entry(row(held_out=held), POSES, options)
  assert found["target"] == held
  assert not set(found["context"]) & set(held)


@pytest.mark.parametrize(
  "options, told",
  [
    ({"context": 3, "targets": 50}, "40 frames, 50 are asked for"),
    ({"context": 2, "gap": (60, 90), "choose": "ends"}, "61 are asked for"),
    (
      {"context": 8, "choose": "heading", "min_heading": 90},
      "lower the number or the angle",
    ),
  ],
)
def test_a_clip_that_does_not_serve_says_why(options, told):
  with pytest.raises(InputError, match=told):
    entry(row(), POSES, IndexOptions(**options))


@pytest.mark.parametrize(
  "options, told",
  [
    ({"context": 0}, "--context: 0"),
    ({"context": 4, "span": 3}, "--span: 3 frames hold neither"),
    ({"context": 2, "gap": (9, 4), "choose": "ends"}, "MIN <= MAX"),
    ({"context": 2, "gap": (4, 9), "choose": "random"}, "keeps no gap"),
    ({"context": 2, "gap": (4, 9), "span": 9}, "give one"),
  ],
)
def test_options_that_contradict_are_refused(options, told):
  with pytest.raises(InputError, match=told):
    IndexOptions(**options)
