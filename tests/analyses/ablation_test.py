"""Masks, variance and findings of the analyses."""

import itertools

import numpy as np
import pytest

from scenetok_jax.analyses.ablation import (
  mask_tokens,
  monotone,
  sample_variance,
)
from scenetok_jax.types import InputError
from tests import networks

TOKENS = networks.normals(0, 3, 10, 4)


def test_masks_are_nested_and_differ_by_scene():
  kept = []
  for share in (0.0, 0.3, 0.7, 1.0):
    masked = mask_tokens(TOKENS, share, seed=1, kind="zero")
    assert masked.shape == TOKENS.shape
    here = np.any(masked != 0, axis=-1)
    np.testing.assert_array_equal(masked[here], TOKENS[here])
    assert (here.sum(axis=1) == 10 - round(10 * share)).all()
    kept.append(here)
  for more, fewer in itertools.pairwise(kept):
    assert not np.any(fewer & ~more)
  assert np.any(kept[1][0] != kept[1][1])


def test_dropped_tokens_are_those_set_to_zero():
  zeroed = mask_tokens(TOKENS, 0.4, seed=2, kind="zero")
  dropped = mask_tokens(TOKENS, 0.4, seed=2, kind="drop")
  assert dropped.shape == (3, 6, 4)
  for scene, left in zip(zeroed, dropped, strict=True):
    np.testing.assert_array_equal(scene[np.any(scene != 0, axis=-1)], left)
  everything = mask_tokens(TOKENS, 1.0, seed=2, kind="drop")
  assert everything.shape == (3, 1, 4) and not everything.any()


def test_bad_masks_are_refused():
  with pytest.raises(InputError, match="not a share"):
    mask_tokens(TOKENS, 1.5, seed=0)
  with pytest.raises(InputError, match="not one of drop, zero"):
    mask_tokens(TOKENS, 0.5, seed=0, kind="blur")


def test_variance_by_hand():
  videos = np.zeros((1, 2, 1, 1, 1, 3), np.uint8)
  videos[0, 1, ..., 0] = 255  # one of three channels is 0, then 1
  assert sample_variance(videos) == pytest.approx(0.5 / 3)
  with pytest.raises(InputError, match="1 sample has no variance"):
    sample_variance(videos[:, :1])


def test_a_finding_needs_the_right_sign_and_significance():
  levels = [0, 1, 2, 3]
  rising = np.array([[0.1, 0.2, 0.3, 0.5], [0.2, 0.3, 0.4, 0.9]])
  up = monotone("rises", levels, rising, 1)
  assert up.holds and up.per_scene == pytest.approx(1.0)
  assert "holds" in up.line() and "8 scene-level pairs" in up.line()
  down = monotone("falls", levels, rising, -1)
  assert not down.holds and "DOES NOT HOLD" in down.line()
  noise = np.array([[0.3, 0.1, 0.4, 0.2]])
  assert not monotone("rises", levels, noise, 1).holds
