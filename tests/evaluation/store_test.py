"""Results of scenes survive the disk, and an interrupted run continues."""

import dataclasses

import numpy as np
import pytest

from scenetok_jax.evaluation.batches import SceneSource, batches
from scenetok_jax.evaluation.scene_results import score_batches
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import gather, once, open_store, pack, unpack
from scenetok_jax.types import InputError

PICTURE = np.zeros((4, 4, 3), np.uint8)


def make(key: str, value: float = 0.1) -> SceneResult:
  features = {"fid_inception/real": np.arange(6, dtype=np.float32)[None] / 7}
  return SceneResult(key, {"psnr": value + 1 / 3}, 5, 0.25, features)


def same(a: SceneResult, b: SceneResult) -> bool:
  arrays = a.features.keys() == b.features.keys() and all(
    np.array_equal(a.features[k], b.features[k]) for k in a.features
  )
  plain = [(r.key, r.scores, r.frames) for r in (a, b)]
  return arrays and plain[0] == plain[1]


def test_a_result_keeps_every_bit():
  assert same(unpack(pack(make("a")), "x"), make("a"))


def test_a_name_with_slashes_stays_inside_the_folder(tmp_path):
  store = open_store(tmp_path, {"seed": 0})
  store.write(make("../../a b"), PICTURE)
  assert same(store.read("../../a b"), make("../../a b"))
  assert all(p.is_relative_to(tmp_path) for p in tmp_path.rglob("*.npz"))
  assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_other_settings_never_see_a_result(tmp_path):
  open_store(tmp_path, {"seed": 0}).write(make("a"), PICTURE)
  assert open_store(tmp_path, {"seed": 0}).read("a") is not None
  assert open_store(tmp_path, {"seed": 1}).read("a") is None


def test_a_damaged_result_is_named(tmp_path):
  store = open_store(tmp_path, {})
  store.write(make("a"), PICTURE)
  (file,) = tmp_path.rglob("*.npz")
  file.write_bytes(file.read_bytes()[:100])
  with pytest.raises(InputError, match=r"a\.npz: not a scene's result"):
    store.read("a")


def test_a_scene_scored_twice_is_refused():
  with pytest.raises(InputError, match="scene a: scored twice"):
    once([make("a"), make("b"), make("a", 0.2)])


def test_gathered_results_are_sorted_and_exact():
  found = gather([make("b"), make("a")], 2)
  assert [r.key for r in found] == ["a", "b"]
  assert same(found[1], make("b"))


class Stopped(Exception):
  pass


def test_a_killed_run_continues_where_it_was(tmp_path):
  def never():
    raise AssertionError("not read here")

  sources = [SceneSource(f"s{i}", 2, 4, f"s{i}", never) for i in range(5)]
  jobs = batches(sources, 2)
  computed = []

  def compute(batch, stop=99):
    for source in batch.scenes:
      if len(computed) == stop:
        raise Stopped
      computed.append(source.key)
      yield make(source.key, 0.1 * len(source.key)), PICTURE

  store = open_store(tmp_path, {})
  with pytest.raises(Stopped):
    list(score_batches(jobs, lambda batch: compute(batch, 3), store))
  assert len(list(tmp_path.rglob("*.npz"))) == 3

  computed.clear()
  resumed = list(score_batches(jobs, compute, store))
  # The batch that was cut is computed again as a whole, the first is not.
  assert computed == ["s2", "s3", "s4"]
  computed.clear()
  fresh = list(score_batches(jobs, compute, None))
  assert computed == ["s0", "s1", "s2", "s3", "s4"]
  assert all(same(a, b) for a, b in zip(resumed, fresh, strict=True))


def test_equal_pictures_have_an_infinite_psnr():
  assert same(unpack(pack(make("a", np.inf)), "x"), make("a", np.inf))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_features_that_are_not_finite_name_their_file_and_scene(value):
  features = {"fid/real": np.array([[1.0, value]])}
  result = dataclasses.replace(make("a"), features=features)
  told = r"x\.npz: scene a: fid/real: NaN or Inf"
  with pytest.raises(InputError, match=told):
    unpack(pack(result), "x.npz")


@pytest.mark.parametrize(
  "changes", [{"scores": {"psnr": "x"}}, {"frames": 1e30}, {"key": 7}]
)
def test_fields_of_other_types_are_refused(changes):
  result = dataclasses.replace(make("a"), **changes)
  with pytest.raises(InputError, match="x: "):
    unpack(pack(result), "x")
