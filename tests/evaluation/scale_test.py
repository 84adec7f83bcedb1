"""Scenes to score, in the unit of a model's training."""

import dataclasses

import numpy as np
import pytest
from ml_collections import ConfigDict

from data_pipelines.storage import builders, recipes
from data_pipelines.storage.records import Dataset
from scenetok_jax.evaluation import plan as plans
from scenetok_jax.evaluation.scale import in_scale
from scenetok_jax.geometry.scale import baseline
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

TRAINED = [4.0, 4.5, 5.0, 6.0, 7.0]
CONFIG = ConfigDict({"scale": {"scenes": 5, "baseline": TRAINED}})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  builders.build(path, clips.plan(scenes=3, holdout=recipes.Holdout(5)))
  return Dataset(path)


@pytest.fixture(scope="module")
def plan(dataset):
  found = plans.heldout(dataset, 3)
  one = found.sources[0]
  scene = dataclasses.replace(one.load(), depth=np.ones((4, 2, 2), np.float32))
  sources = (dataclasses.replace(one, load=lambda: scene), *found.sources[1:])
  return dataclasses.replace(found, sources=sources)


def _apart(scene):
  return baseline(scene.context.cameras.extrinsics)


def test_each_scene_is_as_far_apart_as_the_median_of_training(
  dataset, plan, capsys
):
  found = in_scale(plan, dataset, CONFIG, True, generated=False)
  assert capsys.readouterr().err.count("positions are taken") == 1
  for before, after in zip(plan.sources, found.sources, strict=True):
    old, new = before.load(), after.load()
    factor = TRAINED[2] / _apart(old)
    np.testing.assert_allclose(_apart(new), TRAINED[2], rtol=1e-5)
    for part in ("context", "target"):
      poses = [
        getattr(scene, part).cameras.extrinsics[:, :3, 3]
        for scene in (old, new)
      ]
      np.testing.assert_allclose(poses[1], factor * poses[0], rtol=1e-5)
    if old.depth is not None:
      np.testing.assert_allclose(new.depth, factor * old.depth, rtol=1e-5)
    assert before.identity != after.identity


def test_a_generated_scene_is_measured_along_its_path(dataset, plan, capsys):
  found = in_scale(plan, dataset, CONFIG, True, generated=True)
  scene = found.sources[1].load()
  path = baseline(scene.target.cameras.extrinsics)
  np.testing.assert_allclose(path, TRAINED[2], rtol=1e-5)


def test_a_factor_is_that_of_all_and_none_changes_nothing(
  dataset, plan, capsys
):
  found = in_scale(plan, dataset, CONFIG, 2.0, generated=False)
  before = [_apart(source.load()) for source in plan.sources]
  after = [_apart(source.load()) for source in found.sources]
  np.testing.assert_allclose(after, 2 * np.array(before), rtol=1e-5)
  capsys.readouterr()
  assert in_scale(plan, dataset, CONFIG, False, generated=False) is plan
  told = capsys.readouterr().err
  assert told.startswith(f"{dataset.directory}: views are ")
  assert told.count("\n") == 1 and "--rescale takes positions" in told
  silent = ConfigDict({})
  assert in_scale(plan, dataset, silent, False, generated=False) is plan
  assert not capsys.readouterr().err
  with pytest.raises(InputError, match="does not say"):
    in_scale(plan, dataset, silent, True, generated=False)
