"""pycolmap finds the poses of frames of a place with texture."""

import numpy as np
import pytest
from einops import rearrange

from scenetok_jax.evaluation.pose.clip_scores import path_errors, shuffled_auc
from scenetok_jax.evaluation.pose.structure import estimate_poses
from scenetok_jax.metrics.pose import summary
from scenetok_jax.types import InputError
from tests import textured_box
from tests.textured_box import FRAMES, HEIGHT, INTRINSICS, WIDTH, path

pytest.importorskip("pycolmap", reason="extra `colmap` is not installed")


@pytest.fixture(scope="module")
def frames():
  return textured_box.frames()


def intrinsics():
  return np.tile(INTRINSICS, (FRAMES, 1, 1))


def test_true_frames_have_their_poses_and_shuffled_ones_do_not(frames):
  found = estimate_poses(frames, intrinsics())
  assert found.shape == (FRAMES, 4, 4)
  assert summary(path_errors(found, path()))["auc@30"] > 0.9
  assert shuffled_auc(found, path(), 0) < 0.5
  again = estimate_poses(frames, intrinsics())
  np.testing.assert_array_equal(found, again)


def test_frames_without_features_have_no_poses():
  grey = np.full((4, HEIGHT, WIDTH, 3), 128, np.uint8)
  assert np.isnan(estimate_poses(grey, intrinsics()[:4])).all()


def test_tiny_images_are_refused():
  tiny = np.zeros((4, 8, 8, 3), np.uint8)
  with pytest.raises(InputError, match="8 x 8 pixels have no features"):
    estimate_poses(tiny, intrinsics()[:4])


def test_a_pair_of_frames_is_refused(frames):
  with pytest.raises(InputError, match=r"2 frames; .* at least 3"):
    estimate_poses(frames[:2], intrinsics()[:2])


def test_small_frames_are_enlarged_and_placed(frames):
  pairs = rearrange(frames, "t (h y) (w x) c -> t h w y x c", y=2, x=2)
  small = pairs.mean((3, 4)).astype(np.uint8)  # 48 x 64 pixels
  found = estimate_poses(small, intrinsics())
  assert np.isfinite(found).all()
  assert summary(path_errors(found, path()))["auc@30"] > 0.8
