"""Farthest-point selection of views."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scenetok_jax.geometry import view_selection
from scenetok_jax.types import InputError
from tests.geometry.poses import random_poses
from tests.goldens import assert_close, load_case


def test_rotation_log_agrees_with_scipy():
  vectors = np.random.default_rng(0).normal(size=(50, 3))
  rotations = Rotation.from_rotvec(vectors).as_matrix()
  np.testing.assert_allclose(
    view_selection.rotation_log(rotations), vectors, atol=1e-6
  )


def test_distances_ignore_the_world_frame_and_are_symmetric():
  poses, world = random_poses(0, 6), random_poses(1)
  distances = view_selection.pose_distances(poses)
  np.testing.assert_allclose(distances, distances.T, atol=1e-12)
  np.testing.assert_allclose(np.diag(distances), 0, atol=1e-5)
  moved = view_selection.pose_distances(world @ poses)
  np.testing.assert_allclose(moved, distances, atol=1e-4)


def test_selection_takes_the_ends_of_a_line_then_its_middle():
  poses = np.tile(np.eye(4), (9, 1, 1))
  poses[:, 0, 3] = np.arange(9)
  chosen = view_selection.farthest_point(poses, 3, first=0)
  np.testing.assert_array_equal(chosen, [0, 4, 8])


def test_selection_is_sorted_unique_and_keeps_the_first():
  poses = random_poses(2, 20)
  for first in (0, 7, 19):
    chosen = view_selection.farthest_point(poses, 12, first)
    assert first in chosen
    assert (np.diff(chosen) > 0).all()


def test_asking_for_more_than_there_are_repeats():
  poses = random_poses(3, 4)
  chosen = view_selection.farthest_point(poses, 6, first=1)
  assert len(chosen) == 6 and set(chosen) == {0, 1, 2, 3}


@pytest.mark.parametrize("count, first", [(0, 0), (2, 4), (2, -1)])
def test_impossible_requests_are_refused(count, first):
  with pytest.raises(InputError, match="farthest_point"):
    view_selection.farthest_point(random_poses(4, 4), count, first)


def test_matches_release_selection():
  case = load_case("geometry")
  poses = case.inputs["fps_poses"]
  assert_close(
    view_selection.rotation_log(case.inputs["context"][..., :3, :3]),
    case.outputs["rotation_log"],
  )
  assert_close(
    view_selection.pose_distances(poses), case.outputs["fps_pose_distance"]
  )
  for i, (first, count) in enumerate(case.config["fps"]):
    np.testing.assert_array_equal(
      view_selection.farthest_point(poses, count, first),
      case.outputs[f"fps_{i}"],
    )
