"""Scenes with too few frames are left out of an evaluation, and listed."""

import pytest

from data_pipelines.storage import builders
from scenetok_jax.evaluation.plan import heldout, open_dataset
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
