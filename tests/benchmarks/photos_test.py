"""The comparison of estimated cameras with known ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from benchmarks import photos as benchmark
from data_pipelines.photos import Estimate
from tests import textured_box


def _moved(poses):
  """The same path in another world, of another size."""
  turn = Rotation.random(random_state=5).as_matrix()
  moved = np.array(poses)
  moved[:, :3, :3] = turn @ poses[:, :3, :3]
  moved[:, :3, 3] = 3 * poses[:, :3, 3] @ turn.T + 1
  return moved


def _estimate(poses, left_out=()):
  report = {
    "pictures": 8, "registered": len(poses), "registered_share": 1.0,
    "left_out": list(left_out), "reprojection_error": 0.5, "points": 9,
    "track_length": 5.0, "other_models": [],
    "lenses": [{"width": 100, "params": [66.0, 50.0, 40.0]}],
  }  # fmt: skip
  named = {f"{i}.png": pose for i, pose in enumerate(poses)}
  return Estimate("box", Path(), named, report)


def _known(tmp_path):
  """textured_box's path as poses.json, and what the benchmark reads of it."""
  frames = []
  for i, pose in enumerate(textured_box.path()):
    Image.new("RGB", (128, 96)).save(tmp_path / f"{i}.png")
    matrix = textured_box.INTRINSICS * [[128], [96], [1]]
    frames.append(
      {"file": f"{i}.png", "c2w": pose.tolist(), "K": matrix.tolist()}
    )
  (tmp_path / "poses.json").write_text(json.dumps({"frames": frames}))
  return benchmark.of_capture(tmp_path)


def test_true_cameras_of_another_world_are_true(tmp_path):
  known = _known(tmp_path)
  assert known.source == tmp_path and known.focal == pytest.approx(0.6)
  found = _estimate(_moved(textured_box.path()))
  scores = benchmark.compare(found, known)
  assert scores["auc@30"] > 0.99 and scores["position_share"] < 1e-6
  assert scores["focal_error"] == pytest.approx(0.1)


def test_pictures_without_a_place_count_as_missed(tmp_path):
  found = _estimate(_moved(textured_box.path())[:6], ["6.png", "7.png"])
  scores = benchmark.compare(found, _known(tmp_path))
  assert scores["racc@10"] == pytest.approx(15 / 28)


def test_a_mirrored_path_is_off(tmp_path):
  path = np.random.default_rng(0).normal(0, 1, (9, 3))
  assert benchmark.misfit(path * [1, 1, -1], path) > 0.1
