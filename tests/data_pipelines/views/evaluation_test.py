"""Fixed evaluation choices: index files, headings apart, held-out frames."""

import json

import numpy as np
import pytest

from data_pipelines.storage.records import SceneRow
from data_pipelines.views import evaluation
from scenetok_jax.geometry.cameras import view_angles
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError
from tests.data_pipelines import clips
from tests.goldens import case_dir, load_case, shared_dir


def test_index_files_give_the_releases_views():
  case = load_case("view_samplers")
  path = case_dir("view_samplers") / "eval_index.json"
  index = evaluation.read_index(path)
  for run in case.config["evaluation"]:
    chunked = run["view_sampler"]["name"].endswith("wan")
    for number, scene in enumerate(run["scenes"]):
      grouping = Grouping(4, chunked)
      choice = evaluation.from_index(index.scenes[scene], grouping)
      expected = case.run(f"{run['prefix']}{number}_", "outputs")
      np.testing.assert_array_equal(choice.context, expected["context"])
      np.testing.assert_array_equal(choice.target, expected["target"])
      np.testing.assert_array_equal(choice.latents, expected["latent"])


def test_published_index_files_are_read():
  files = sorted((shared_dir() / "data" / "evaluation_index").glob("*.json"))
  counts = {f.name: len(evaluation.read_index(f).scenes) for f in files}
  assert counts["re10k_c12_128.json"] == 136
  assert counts["dl3dv_c16_34.json"] == 139


@pytest.mark.parametrize("text", ["", "[1]", '{"a": {"context": [1]}}', "{a"])
def test_other_files_are_refused(tmp_path, text):
  path = tmp_path / "index.json"
  path.write_text(text)
  with pytest.raises(InputError, match=r"index.json: not an evaluation index"):
    evaluation.read_index(path)


def test_scenes_without_views_are_left_out(tmp_path):
  path = tmp_path / "index.json"
  entry = {"context": [1], "target": [2, 3]}
  path.write_text(json.dumps({"a": None, "b": entry}))
  index = evaluation.read_index(path)
  assert index.scenes == {"b": ([1], [2, 3])} and len(index.sha256) == 64


def test_spread_context_is_far_apart_and_the_rest_is_scored():
  poses = clips.poses(40)  # turns 4.4 radians
  choice = evaluation.choose_by_heading(poses, 5, 30.0)
  angles = view_angles(poses[choice.context])
  assert angles[~np.eye(5, dtype=bool)].min() >= 30
  np.testing.assert_array_equal(
    np.sort(np.concatenate([choice.context, choice.target])), np.arange(40)
  )
  again = evaluation.choose_by_heading(poses, 5, 30.0)
  np.testing.assert_array_equal(choice.context, again.context)


def test_spread_respects_candidates_and_reports_narrow_clips():
  poses = clips.poses(40)
  candidates = np.arange(0, 40, 3)
  choice = evaluation.choose_by_heading(poses, 4, 30.0, candidates)
  assert set(choice.context) <= set(candidates)
  with pytest.raises(InputError, match=r"no 5 frames are 30 degrees"):
    evaluation.choose_by_heading(poses[:6], 5, 30.0)
  with pytest.raises(InputError, match="5 context frames asked of 3"):
    evaluation.choose_by_heading(poses[:3], 5, 30.0)


def test_held_out_frames_are_the_targets():
  row = SceneRow("s", 20, 8, 8, "test", "", 0, held_out=(2, 7, 12))
  choice = evaluation.held_out(row, clips.poses(20), 4)
  np.testing.assert_array_equal(choice.target, [2, 7, 12])
  assert not set(choice.context) & set(row.held_out)
  assert len(choice.context) == 4
  with pytest.raises(InputError, match="num_context"):
    evaluation.held_out(row, clips.poses(20), 18)
  bare = SceneRow("s", 20, 8, 8, "test", "", 0)
  with pytest.raises(InputError, match="--holdout-every"):
    evaluation.held_out(bare, clips.poses(20), 4)


def test_cover_spreads_wide_clips_and_takes_farthest_points_of_narrow_ones():
  poses = clips.poses(40)
  wide = evaluation.cover(poses, 5, 30.0)
  apart = evaluation.choose_by_heading(poses, 5, 30.0)
  np.testing.assert_array_equal(wide.context, apart.context)
  narrow = evaluation.cover(poses[:6], 3, 60.0)
  assert {0, 5} <= set(narrow.context)
  assert sorted({*narrow.context, *narrow.target}) == list(range(6))
  with pytest.raises(InputError, match="5 context frames asked of 3"):
    evaluation.cover(poses[:3], 5, 30.0)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("entry", [([1], []), ([], [1, 2])])
def test_empty_lists_of_an_index_are_refused(entry, chunked):
  with pytest.raises(InputError, match="context or target is empty"):
    evaluation.from_index(entry, Grouping(4, chunked))


@pytest.mark.parametrize(
  "context, target",
  [
    ("012", [3]), (2.5, [3]), (True, [3]), ([0, 1.0], [3]), ([True], [3]),
    ([0], "345"), ([-1], [3]), ([0], [3, 3]), ([1, 1], [3]), ([0], [10**18]),
    ([0], {"3": 1}), (None, [3]),
  ],
)  # fmt: skip
def test_entries_that_are_no_lists_of_frames_are_refused(
  tmp_path, context, target
):
  path = tmp_path / "index.json"
  path.write_text(json.dumps({"s": {"context": context, "target": target}}))
  with pytest.raises(InputError, match=r"index\.json: .*(s\.|scene s).*"):
    evaluation.read_index(path)
