"""Tokens are removed at random, and nested."""

import itertools

import numpy as np
import pytest

from scenetok_jax.analyses.token_masks import mask_tokens
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
