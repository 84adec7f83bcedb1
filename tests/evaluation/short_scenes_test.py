"""Scenes without the frames that are asked for are left out, and listed."""

import numpy as np
import pytest

from data_pipelines.storage import builders, recipes
from scenetok_jax.evaluation.plan import heldout, open_dataset
from scenetok_jax.evaluation.protocols import HELDOUT, PROTOCOLS
from scenetok_jax.evaluation.request import EvaluationRequest
from scenetok_jax.types import InputError
from tests.data_pipelines import clips


def test_a_short_scene_is_missing_and_the_others_are_scored(tmp_path):
  builders.build(tmp_path, clips.plan(scenes=3, frames=8, split="test"))
  dataset = open_dataset(str(tmp_path))
  plan = heldout(dataset, num_context=9)  # of 8, 9 and 10 frames
  assert plan.missing == ("s0",) and plan.listed == 3
  assert [source.key for source in plan.sources] == ["s1", "s2"]
  with pytest.raises(InputError, match="asked of"):
    heldout(dataset, num_context=11)


def test_chosen_context_is_that_of_every_scene_that_has_it(tmp_path):
  holdout = recipes.Holdout(every=4)  # 2, 6, ...
  plan = clips.plan(scenes=3, frames=8, split="test", holdout=holdout)
  builders.build(tmp_path, plan)
  dataset = open_dataset(str(tmp_path))
  plan = heldout(dataset, num_context=4, context=(8, 2, 0))
  assert plan.missing == ("s0",)
  assert [source.views for source in plan.sources] == [3, 3]
  loaded = plan.sources[0].load()
  expected = dataset.cameras(dataset.scene("s1")).extrinsics
  np.testing.assert_array_equal(
    loaded.context.cameras.extrinsics, expected[[0, 2, 8]]
  )
  # Held-out frames are predicted, but for the one that was given.
  assert plan.sources[0].target == (6,)
  whole = heldout(dataset, num_context=4)
  assert whole.index_sha256 != plan.index_sha256
  with pytest.raises(InputError, match=r"--context: frame 99: the clip has 8"):
    heldout(dataset, num_context=4, context=(0, 99))


def test_protocols_with_a_context_of_their_own_take_no_other():
  other = next(name for name in PROTOCOLS if name != HELDOUT)
  for more in ({"generate": True}, {"protocol": other}):
    with pytest.raises(InputError, match=r"--context: .*its own context"):
      EvaluationRequest(context="0,5", **more)
