"""Pose scores of whole paths: what is missing counts, chance is told."""

import importlib.util

import numpy as np
import pytest

from data_pipelines.photos import sfm
from data_pipelines.sources import re10k_chunks
from scenetok_jax.evaluation.pose import structure
from scenetok_jax.evaluation.pose.clip_scores import path_errors, shuffled_auc
from scenetok_jax.geometry.trajectories import orbit
from scenetok_jax.metrics.pose import auc, summary
from scenetok_jax.types import InputError
from tests.goldens import shared_dir


def path(frames=9):
  poses = np.tile(np.eye(4), (3, 1, 1))
  poses[1:, :3, 3] = [[1, 0, 0], [0, 0.5, 0]]
  return orbit(poses, frames, degrees=200).astype(np.float64)


def test_a_moved_turned_and_scaled_path_is_perfect():
  truth = path()
  turn = path(2)[1]
  moved = turn @ truth
  moved[:, :3, 3] *= 3.0
  errors = path_errors(moved, truth)
  assert len(errors.rotation) == 36
  assert auc(errors) == pytest.approx(1.0)


def test_pairs_with_missing_frames_are_misses():
  truth = path()
  found = truth.copy()
  found[[2, 5]] = np.nan
  scores = summary(path_errors(found, truth))
  assert scores["racc@10"] == pytest.approx(21 / 36)  # 7 of 9 frames placed
  nothing = np.full_like(truth, np.nan)
  assert auc(path_errors(nothing, truth)) == 0.0


def test_shuffled_frames_score_far_below_true_ones():
  truth = path(16)
  assert auc(path_errors(truth, truth)) == pytest.approx(1.0)
  assert shuffled_auc(truth, truth, seed=0) < 0.2
  assert shuffled_auc(truth, truth, 3) == shuffled_auc(truth, truth, 3)


def test_bad_paths_are_refused():
  with pytest.raises(InputError, match="at least 2 frames"):
    path_errors(path()[:1], path()[:1])
  with pytest.raises(InputError, match="one of each"):
    path_errors(path(4), path(5))


def test_without_pycolmap_the_message_says_what_to_install(monkeypatch):
  monkeypatch.setattr(sfm, "available", lambda: False)
  with pytest.raises(InputError, match=r"scenetok_jax\[colmap\].*--poses"):
    structure.estimate_poses(np.zeros((2, 32, 32, 3), np.uint8), np.ones(2))


@pytest.mark.slow
@pytest.mark.parametrize(
  "split, key, every, chance",
  [
    # This path hardly turns and goes straight on: docs/analyses_poses.md.
    ("test", "018f7907401f2fef", 4, 0.5),
    ("train", "fox0000000000001", 1, 0.1),
    ("train", "hololens00000001", 1, 0.1),
  ],
)
def test_structure_from_motion_is_an_oracle_on_real_frames(
  split, key, every, chance
):
  if importlib.util.find_spec("pycolmap") is None:
    pytest.skip("pycolmap is not installed: pip install -e '.[colmap]'")
  clips = shared_dir() / "data" / "re10k_chunks"
  if not clips.is_dir():
    pytest.skip(f"{clips} is absent: it holds the real clips")
  clip = re10k_chunks.read_scene(clips / split, key)
  frames = np.arange(0, len(clip), every)
  images = np.stack([clip.image(i) for i in frames])
  truth = np.asarray(clip.cameras.extrinsics)[frames]
  lenses = np.asarray(clip.cameras.intrinsics)[frames]
  found = structure.estimate_poses(images, lenses, threads=-1)
  assert auc(path_errors(found, truth)) > 0.9
  assert shuffled_auc(found, truth, seed=0) < chance
