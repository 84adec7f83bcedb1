"""Pose errors: the reference's numbers, and what they are blind to."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scenetok_jax.metrics import pose
from scenetok_jax.parity.metrics import auc_equal_bins
from scenetok_jax.types import InputError
from tests.goldens import load_case


def _path(count=6, seed=0):
  rng = np.random.default_rng(seed)
  poses = np.tile(np.eye(4), (count, 1, 1))
  poses[:, :3, :3] = Rotation.random(count, random_state=rng).as_matrix()
  poses[:, :3, 3] = rng.normal(size=(count, 3))
  return poses


def test_a_similar_path_is_perfect():
  truth = _path()
  similar = np.eye(4)
  similar[:3, :3] = Rotation.from_euler("xyz", [1, 2, 3]).as_matrix()
  similar[:3, 3] = [4, 5, 6]
  moved = similar @ truth
  moved[:, :3, 3] *= 3.0
  errors = pose.pair_errors(moved, truth)
  assert len(errors.rotation) == 15
  assert errors.rotation.max() < 1e-4 and errors.translation.max() < 1e-4
  scores = pose.summary(errors)
  assert scores.pop("pairs") == 15
  assert set(scores.values()) == {1.0}


def test_one_turned_camera_errs_by_its_angle_in_its_pairs_only():
  truth = _path()
  turned = truth.copy()
  turn = Rotation.from_euler("y", 12, degrees=True).as_matrix()
  turned[0, :3, :3] = truth[0, :3, :3] @ turn
  errors = pose.pair_errors(turned, truth)
  # Pairs (0, 1) to (0, 5) come first.
  np.testing.assert_allclose(errors.rotation[:5], 12, atol=1e-9)
  np.testing.assert_allclose(errors.rotation[5:], 0, atol=1e-5)
  assert pose.accuracy(errors.rotation, 12.01) == 1.0
  assert pose.accuracy(errors.rotation, 10) == 10 / 15


def test_unrelated_paths_are_near_chance():
  parts = [pose.pair_errors(_path(12, s), _path(12, s + 50)) for s in range(9)]
  scores = pose.summary(pose.pool(parts))
  assert scores["pairs"] == 9 * 66
  assert scores["auc@30"] < 0.05 and scores["racc@10"] < 0.05


def test_bad_poses_are_refused():
  truth = _path()
  with pytest.raises(InputError, match="give as many"):
    pose.pair_errors(truth[:3], truth)
  with pytest.raises(InputError, match="at least 2"):
    pose.pair_errors(truth[:1], truth[:1])
  broken = truth.copy()
  broken[3, 0, 0] = np.nan
  with pytest.raises(InputError, match="predicted pose of frame 3"):
    pose.pair_errors(broken, truth)
  with pytest.raises(InputError, match="at least one"):
    pose.pool([])


def test_reference_pairs():
  case = load_case("pose_accuracy")
  limit = case.config["suggested_atol"]
  scenes = [
    n.removesuffix("_gt_c2w") for n in case.inputs if n.endswith("_gt_c2w")
  ]
  parts = {}
  for name in scenes:
    truth = case.inputs[f"{name}_gt_c2w"]
    errors = pose.pair_errors(case.inputs[f"{name}_pred_c2w"], truth)
    parts[name] = errors
    for key, got in {
      "r_deg": errors.rotation,
      "t_deg": errors.translation,
      "AUC@30_posediffusion_torch_variant": auc_equal_bins(errors),
    }.items():
      want = case.outputs[f"{name}_{key}"]
      np.testing.assert_allclose(got, want, atol=limit, err_msg=name + key)
  parts["all_pairs"] = pose.pool(parts.values())
  checked = 0
  for name, errors in parts.items():
    for t in (3, 5, 15, 30):
      for key, got in {
        "RAcc": pose.accuracy(errors.rotation, t),
        "TAcc": pose.accuracy(errors.translation, t),
        "AUC": pose.auc(errors, t),
      }.items():
        want = case.outputs[f"{name}_{key}@{t}"]
        np.testing.assert_allclose(got, want, atol=limit)
        checked += 1
  assert checked == 12 * len(parts)


def test_reference_edges():
  case = load_case("pose_accuracy")
  got = pose.translation_error(case.inputs["vec_pred"], case.inputs["vec_gt"])
  np.testing.assert_allclose(got, case.outputs["vec_t_deg"], atol=1e-5)
  errors = pose.PairErrors(
    case.inputs["hist_edge_r"], case.inputs["hist_edge_t"]
  )
  np.testing.assert_allclose(pose.auc(errors), case.outputs["hist_edge_AUC@30"])
  accuracy = pose.accuracy(errors.rotation, 30)
  np.testing.assert_allclose(accuracy, case.outputs["hist_edge_RAcc@30"])
