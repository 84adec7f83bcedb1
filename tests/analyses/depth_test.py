"""Depth scores by hand, and what is not counted."""

import numpy as np
import pytest

from scenetok_jax.analyses.depth import depth_scores
from scenetok_jax.types import InputError


def test_scores_by_hand():
  scores = depth_scores([[1.1, 3.0]], [[1.0, 2.0]])
  assert scores == {
    "abs_rel": pytest.approx(0.3),
    "rmse": pytest.approx(np.sqrt((0.01 + 1) / 2)),
    "delta_1.25": 0.5,
    "pixels": 2,
  }


def test_pixels_without_true_depth_do_not_count():
  truth = np.array([1.0, 0.0, np.inf, np.nan, -1.0, 2.0])
  scores = depth_scores([1.0, 9.0, 9.0, np.nan, 9.0, -1.0], truth)
  assert scores["pixels"] == 2 and scores["delta_1.25"] == 0.5


def test_bad_maps_are_refused():
  with pytest.raises(InputError, match="of one size"):
    depth_scores(np.ones(3), np.ones(4))
  with pytest.raises(InputError, match="no pixel has"):
    depth_scores(np.ones(3), np.zeros(3))
  with pytest.raises(InputError, match="1 predicted depths are not finite"):
    depth_scores([np.nan, 1.0], [1.0, 1.0])
