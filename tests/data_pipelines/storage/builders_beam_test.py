"""Apache Beam writes the same split as a local run."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.storage import builders, recipes
from data_pipelines.storage.records import Dataset
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

pytest.importorskip("apache_beam", reason="extra [beam] is not installed")


def _bad():
  raise InputError("poses.json: broken")


def _plan():
  plan = clips.plan()
  scenes = [plan.scenes[0], recipes.SceneLoader("broken", _bad), *plan.scenes]
  return dataclasses.replace(plan, scenes=scenes)


def test_the_local_runner_writes_what_a_local_run_writes(tmp_path):
  from data_pipelines.storage import builders_beam

  plan = _plan()
  ours = builders.build(tmp_path / "local", plan)
  report = builders_beam.build(
    tmp_path / "beam", plan, ["--runner=DirectRunner"]
  )
  assert report == ours
  assert (report["seen"], report["kept"]) == (5, 3)
  assert [d["scene"] for d in report["dropped"]] == ["s0", "broken"]
  local, beam = (Dataset(tmp_path / name) for name in ("local", "beam"))
  assert beam.scenes == local.scenes
  for row in local.scenes:
    frames = range(row.frames)
    for mine, theirs in zip(
      local.read_frames(row, frames), beam.read_frames(row, frames), strict=True
    ):
      if isinstance(mine, np.ndarray):
        np.testing.assert_array_equal(mine, theirs)
      else:
        np.testing.assert_array_equal(mine.extrinsics, theirs.extrinsics)
  assert {p.name for p in (tmp_path / "beam").iterdir()} == {
    "train",
    "report.json",
  }
  assert builders_beam.build(tmp_path / "beam", plan)["already"]
  assert builders.build(tmp_path / "beam", plan)["already"]


def test_nothing_kept_is_one_clear_error(tmp_path):
  from data_pipelines.storage import builders_beam

  plan = dataclasses.replace(
    _plan(), scenes=[recipes.SceneLoader("broken", _bad)]
  )
  with pytest.raises(InputError, match=r"all 1 scenes were dropped.*broken"):
    builders_beam.build(tmp_path / "out", plan)
  assert not (tmp_path / "out").exists()
