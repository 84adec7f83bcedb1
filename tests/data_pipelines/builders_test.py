"""Preparing data: deterministic, all or nothing, never overwriting."""

import dataclasses
import functools
import json
import os
import socket

import numpy as np
import pytest

from data_pipelines import builders
from data_pipelines.builders import Holdout
from data_pipelines.records import Dataset
from scenetok_jax.types import InputError
from tests.data_pipelines import clips


def _tree(path):
  return {
    p.relative_to(path): p.read_bytes()
    for p in sorted(path.rglob("*"))
    if p.is_file()
  }


def test_the_same_recipe_writes_the_same_bytes(tmp_path):
  for name in ("a", "b"):
    builders.build(tmp_path / name, clips.plan())
  first, second = _tree(tmp_path / "a"), _tree(tmp_path / "b")
  assert first.keys() == second.keys()
  scenes = [Dataset(tmp_path / name).scenes for name in ("a", "b")]
  assert scenes[0] == scenes[1]
  different = [name for name in first if first[name] != second[name]]
  assert not different


def test_any_number_of_processes_writes_the_same(tmp_path):
  for workers in (0, 2):
    builders.build(tmp_path / str(workers), clips.plan(), workers)
  scenes = [Dataset(tmp_path / name).scenes for name in ("0", "2")]
  assert scenes[0] == scenes[1] and len(scenes[0]) == 3


def test_an_equal_split_is_kept_and_another_is_refused(tmp_path):
  assert not builders.build(tmp_path, clips.plan())["already"]
  before = _tree(tmp_path)
  report = builders.build(tmp_path, clips.plan())
  assert report["already"] and report["kept"] == 3
  with pytest.raises(InputError, match=r"options.scenes: prepared with 3"):
    builders.build(tmp_path, clips.plan(scenes=4))
  with pytest.raises(InputError, match=r"holdout.every"):
    builders.build(tmp_path, clips.plan(holdout=Holdout(5)))
  with pytest.raises(InputError, match="image_format"):
    builders.build(tmp_path, clips.plan(image_format="jpeg"))
  assert _tree(tmp_path) == before


def test_a_foreign_folder_is_not_touched(tmp_path):
  (tmp_path / "train").mkdir()
  (tmp_path / "train" / "mine.txt").write_text("precious")
  with pytest.raises(InputError, match="not a prepared split"):
    builders.build(tmp_path, clips.plan())
  assert [p.name for p in tmp_path.rglob("*")] == ["train", "mine.txt"]


def _bad():
  raise InputError("poses.json: broken")


def _short():
  return clips.clip(1)


def _mirrored():
  scene = clips.clip(20)
  scene.cameras.extrinsics[3, :, 0] *= -1
  return scene


def _plan_with(*jobs, strict=False):
  plan = clips.plan(strict=strict)
  return dataclasses.replace(plan, jobs=[*plan.jobs, *jobs])


def test_bad_scenes_are_dropped_with_their_reason(tmp_path):
  plan = _plan_with(
    builders.Job("broken", _bad),
    builders.Job("short", _short),
    builders.Job("mirrored", _mirrored),
    builders.Job("s1", functools.partial(clips.clip, 20)),
    builders.Job("../out", functools.partial(clips.clip, 20)),
    builders.Job("last", functools.partial(clips.clip, 20)),
  )
  builders.build(tmp_path / "out", plan)
  report = json.loads((tmp_path / "out" / "report.json").read_text())
  assert (report["seen"], report["kept"]) == (9, 4)
  reasons = {item["scene"]: item["reason"] for item in report["dropped"]}
  assert list(reasons) == ["broken", "short", "mirrored", "s1", "../out"]
  assert "poses.json: broken" in reasons["broken"]
  assert "1 usable frames" in reasons["short"]
  assert "frame 3" in reasons["mirrored"]
  assert "used twice" in reasons["s1"]
  assert "plain name" in reasons["../out"]
  dataset = Dataset(tmp_path / "out")
  assert [row.key for row in dataset.scenes] == ["s0", "s1", "s2", "last"]
  text = builders.summary(
    "out", "train", {**report["splits"]["train"], "already": False}
  )
  assert "4 of 9 scenes" in text and "dropped mirrored" in text


def test_a_refused_source_leaves_no_trace(tmp_path):
  plan = _plan_with(builders.Job("broken", _bad), strict=True)
  with pytest.raises(InputError, match=r"poses.json: broken"):
    builders.build(tmp_path / "deep" / "out", plan)
  only_bad = dataclasses.replace(plan, jobs=[builders.Job("broken", _bad)])
  only_bad = dataclasses.replace(
    only_bad, recipe=dataclasses.replace(plan.recipe, strict=False)
  )
  with pytest.raises(InputError, match=r"all 1 scenes were dropped"):
    builders.build(tmp_path / "deep" / "out", only_bad)
  with pytest.raises(InputError, match="no scene"):
    builders.build(tmp_path / "out", dataclasses.replace(plan, jobs=[]))
  assert list(tmp_path.iterdir()) == []


def _crash():
  raise KeyboardInterrupt


def test_an_interrupted_run_leaves_no_split(tmp_path):
  with pytest.raises(KeyboardInterrupt):
    builders.build(tmp_path, _plan_with(builders.Job("crash", _crash)))
  assert list(tmp_path.iterdir()) == []


def test_leftovers_of_killed_runs_are_removed(tmp_path):
  host = socket.gethostname()
  dead = tmp_path / f".train.partial-{host}-999999999"
  alive = tmp_path / f".train.partial-{host}-{os.getppid()}"
  for path in (dead, alive):
    path.mkdir(parents=True)
  builders.build(tmp_path, clips.plan())
  assert not dead.exists() and alive.exists()


def test_the_report_covers_all_splits(tmp_path):
  builders.build(tmp_path, clips.plan(scenes=3))
  builders.build(tmp_path, clips.plan(scenes=2, split="test"))
  report = json.loads((tmp_path / "report.json").read_text())
  assert report["seen"] == report["kept"] == 5
  assert set(report["splits"]) == {"train", "test"}
  assert len(Dataset(tmp_path, "test")) == 2


def test_held_out_frames_are_in_the_index(tmp_path):
  assert Holdout(5).indices(13) == (2, 7, 12)
  assert Holdout(0, (4, 1, 99)).indices(10) == (1, 4)
  assert Holdout().indices(10) == ()
  with pytest.raises(InputError, match="holdout-every"):
    Holdout(1)
  builders.build(tmp_path / "a", clips.plan(holdout=Holdout(5, (0,))))
  row = Dataset(tmp_path / "a").scenes[0]
  assert row.held_out == (0, 2, 7, 12, 17)
  np.testing.assert_array_equal(
    np.union1d(row.kept, row.held_out), np.arange(20)
  )
  everything = Holdout(0, tuple(range(30)))
  with pytest.raises(InputError, match="hold out fewer"):
    builders.build(tmp_path / "b", clips.plan(holdout=everything))
