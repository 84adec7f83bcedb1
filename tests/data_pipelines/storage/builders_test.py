"""Preparing data: deterministic, all or nothing, never overwriting."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from data_pipelines.storage import builders, parts, recipes
from data_pipelines.storage.recipes import Holdout
from data_pipelines.storage.records import Dataset
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
  first, second = _tree(tmp_path / "0"), _tree(tmp_path / "2")
  assert first == second and len(Dataset(tmp_path / "0")) == 3


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


def _plan_with(*scenes, strict=False):
  plan = clips.plan(strict=strict)
  return dataclasses.replace(plan, scenes=[*plan.scenes, *scenes])


def test_bad_scenes_are_dropped_with_their_reason(tmp_path):
  plan = _plan_with(
    recipes.SceneLoader("broken", _bad),
    recipes.SceneLoader("short", _short),
    recipes.SceneLoader("mirrored", _mirrored),
    recipes.SceneLoader("s1", functools.partial(clips.clip, 20)),
    recipes.SceneLoader("../out", functools.partial(clips.clip, 20)),
    recipes.SceneLoader("last", functools.partial(clips.clip, 20)),
  )
  builders.build(tmp_path / "out", plan)
  report = json.loads((tmp_path / "out" / "report.json").read_text())
  assert (report["seen"], report["kept"]) == (9, 4)
  reasons = {item["scene"]: item["reason"] for item in report["dropped"]}
  assert list(reasons) == ["s1", "broken", "short", "mirrored", "../out"]
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
  plan = _plan_with(recipes.SceneLoader("broken", _bad), strict=True)
  with pytest.raises(InputError, match=r"poses.json: broken"):
    builders.build(tmp_path / "deep" / "out", plan)
  only_bad = dataclasses.replace(
    plan, scenes=[recipes.SceneLoader("broken", _bad)]
  )
  only_bad = dataclasses.replace(
    only_bad, recipe=dataclasses.replace(plan.recipe, strict=False)
  )
  with pytest.raises(InputError, match=r"all 1 scenes were dropped"):
    builders.build(tmp_path / "deep" / "out", only_bad)
  with pytest.raises(InputError, match="no scene"):
    builders.build(tmp_path / "out", dataclasses.replace(plan, scenes=[]))
  assert list(tmp_path.iterdir()) == []


def _crash():
  raise KeyboardInterrupt


def _loud(log, name, frames):
  with log.open("a") as file:
    file.write(f"{name}\n")
  return clips.clip(frames)


def _stoppable(log, crash: bool):
  """Four scenes, the third of which may interrupt the run."""
  scenes = [
    recipes.SceneLoader(f"s{i}", functools.partial(_loud, log, f"s{i}", 20))
    for i in range(4)
  ]
  if crash:
    scenes[2] = recipes.SceneLoader("s2", _crash)
  return dataclasses.replace(clips.plan(), scenes=scenes)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
  log = tmp_path / "log"
  out = tmp_path / "out"
  with pytest.raises(KeyboardInterrupt):
    builders.build(out, _stoppable(log, crash=True))
  assert not (out / "train").exists() and not (out / "report.json").exists()
  report = builders.build(out, _stoppable(log, crash=False))
  assert report["kept"] == 4 and not report["already"]
  # The two finished scenes were not read again.
  assert log.read_text().split() == ["s0", "s1", "s2", "s3"]
  assert {p.name for p in out.iterdir()} == {"train", "report.json"}
  builders.build(tmp_path / "new", _stoppable(log, crash=False))
  first, second = _tree(out), _tree(tmp_path / "new")
  assert first == second


def test_leftovers_of_other_options_are_removed_unless_in_use(tmp_path):
  dead, alive = (tmp_path / f".train.partial-{name}" for name in "ab")
  for path in (dead, alive):
    (path / "part-00000").mkdir(parents=True)
  with parts.lock(alive):
    builders.build(tmp_path, clips.plan())
    assert not dead.exists() and alive.exists()


def test_two_processes_do_not_write_the_same_split(tmp_path):
  plan = clips.plan()
  partial = tmp_path / f".train.partial-{plan.digest()}"
  partial.mkdir()
  with (
    parts.lock(partial),
    pytest.raises(InputError, match="another process writes here"),
  ):
    builders.build(tmp_path, plan)
  assert partial.exists()
  assert builders.build(tmp_path, plan)["kept"] == 3


def test_a_merge_that_was_killed_is_repeated(tmp_path, monkeypatch):
  plan = clips.plan()
  with monkeypatch.context() as patch:
    patch.setattr(builders, "publish", _crash)
    with pytest.raises(TypeError):
      builders.build(tmp_path, plan)
  builders.build(tmp_path, plan)
  dataset = Dataset(tmp_path)
  assert len(dataset) == 3 and dataset.frames == 20 + 21 + 22
  images, _ = dataset.read_frames("s2", [0, 21])
  np.testing.assert_array_equal(images, clips.clip(22, seed=2).images[[0, 21]])


def test_every_number_of_scenes_is_cut_into_parts():
  for items in (1, 2, 63, 64, 65, 128, 129, 5000, 66_033):
    cuts = parts.ranges(items)
    assert [i for cut in cuts for i in cut] == list(range(items))
    assert max(len(cut) for cut in cuts) <= parts.MAX_SCENES
  assert len(parts.ranges(64)) == 64


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("text", ["notes", "[]", '{"seen": 3}', "folder"])
def test_a_report_that_no_run_wrote_stays(tmp_path, text, split):
  file = tmp_path / "report.json"
  builders.build(tmp_path, clips.plan(scenes=2))
  file.unlink()
  file.mkdir() if text == "folder" else file.write_text(text)
  before = _tree(tmp_path)
  with pytest.raises(InputError, match=r"report\.json.*move it away"):
    builders.build(tmp_path, clips.plan(scenes=2, split=split))
  assert _tree(tmp_path) == before


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
