"""Variance over samples."""

import numpy as np
import pytest

from scenetok_jax.analyses.sampler import sample_variance


def test_variance_by_hand():
  videos = np.zeros((1, 2, 1, 1, 1, 3), np.uint8)
  videos[0, 1, ..., 0] = 255  # one of three channels is 0, then 1
  assert sample_variance(videos) == pytest.approx(0.5 / 3)
