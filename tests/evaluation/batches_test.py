"""Batches are fixed by the scenes alone, and no scene counts twice."""

import numpy as np
import pytest

from scenetok_jax.evaluation.batches import SceneSource, batches
from scenetok_jax.types import InputError


def source(key: str, views: int = 2, frames: int = 6, identity: str = ""):
  def load():
    raise AssertionError("planning must not read a scene")

  return SceneSource(key, views, frames, identity or key, load)


SCENES = [source(f"s{i}", frames=6 + i % 2) for i in range(7)]


def test_batches_do_not_depend_on_the_order_of_scenes():
  shuffled = [SCENES[i] for i in np.random.default_rng(0).permutation(7)]
  assert batches(shuffled, 2) == batches(SCENES, 2)


def test_every_scene_is_in_one_batch_of_its_shape():
  found = batches(SCENES, 2)
  assert sorted(s.key for b in found for s in b.scenes) == [
    s.key for s in SCENES
  ]
  for batch in found:
    assert len({s.frames for s in batch.scenes}) == 1
    assert batch.filler.key != batch.scenes[0].key


def test_a_name_that_is_given_twice_is_refused():
  with pytest.raises(InputError, match="scenes s0 and s0: the same frames"):
    batches([*SCENES, source("s0")], 2)


def test_the_same_frames_under_two_names_are_refused():
  twin = source("other", identity="s3")
  with pytest.raises(InputError, match="scenes s3 and other: the same frames"):
    batches([*SCENES, twin], 2)


def test_a_lone_scene_fills_its_own_batch():
  (batch,) = batches([source("only")], 4)
  assert batch.filler.key == "only"
