"""The training stream: a function of (seed, index), whatever reads it."""

import jax
import numpy as np
import pytest

from data_pipelines.loading import loader, usage
from data_pipelines.loading.examples import Examples
from data_pipelines.loading.view_readers import FrameReader
from data_pipelines.storage import builders, recipes
from data_pipelines.storage.records import Dataset
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

_HOLDOUT = recipes.Holdout(5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  builders.build(path, clips.plan(scenes=3, holdout=_HOLDOUT))
  return path


def _take(config, count, **options):
  iterator = loader.train_iterator(config, seed=3, **options)
  batches = [next(iterator) for _ in range(count)]
  iterator.close()
  return batches


def _assert_equal(first, second):
  assert jax.tree.structure(first) == jax.tree.structure(second)
  for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
    np.testing.assert_array_equal(a, b)


def _frame_numbers(views):
  """Frame numbers of a batch: brightness tells them (see clips.clip)."""
  return views.images[..., 0, 0, 0] // 2


def test_batches_have_the_documented_shapes(prepared):
  config = clips.data_config(prepared, num_conditions=2)
  (batch,) = _take(config, 1)
  for views, count in (
    (batch.context, 3),
    (batch.target, 4),
    (batch.condition, 2),
  ):
    assert views.images.shape == (4, count, 16, 16, 3)
    assert views.images.dtype == np.uint8
    assert views.cameras.extrinsics.shape == (4, count, 4, 4)
    assert views.cameras.intrinsics.shape == (4, count, 3, 3)
    assert views.cameras.extrinsics.dtype == np.float32
    assert views.latents is None
  (batch,) = _take(clips.data_config(prepared), 1)
  assert batch.condition is None


def test_the_scale_is_that_of_context_views_as_drawn(prepared):
  narrow = {"name": "bounded", "final_context_gap": (2, 2), "chunks": 1}
  found = {}
  for name, sampler in (("whole", {}), ("narrow", narrow)):
    config = clips.data_config(prepared, num_targets=2)
    config.view_sampler.update(sampler)
    iterator = loader.train_iterator(config, seed=3)
    found[name], again = iterator.scale(), iterator.scale()
    iterator.close()
    assert found[name] == again and found[name]["scenes"] == 3
  dataset = Dataset(prepared)
  bounds = [
    np.ptp(dataset.cameras(row).extrinsics[row.kept, :3, 3], axis=0)
    for row in dataset.scenes
  ]
  largest = max(np.linalg.norm(bound) for bound in bounds)
  whole, narrow = (found[name]["baseline"] for name in ("whole", "narrow"))
  assert 0 < narrow[2] < whole[2] and whole[4] <= largest
  assert list(whole) == sorted(whole)


@pytest.mark.parametrize("chunked, frames", [(False, 20), (True, 17)])
def test_targets_are_frames_of_whole_latents(tmp_path, chunked, frames):
  builders.build(tmp_path, clips.plan(frames=40))
  config = clips.data_config(
    tmp_path, frames_per_latent=4, chunked=chunked, num_targets=5
  )
  config.view_sampler.update({"gap": 5, "chunks": 1})
  (batch,) = _take(config, 1)
  assert batch.target.images.shape[1] == frames
  assert batch.target.cameras.extrinsics.shape[1] == frames


def test_images_belong_to_their_cameras(prepared):
  (batch,) = _take(clips.data_config(prepared), 1)
  known = [clips.clip(20 + i, 16, i) for i in range(3)]
  poses = np.concatenate([c.cameras.extrinsics for c in known])
  images = np.concatenate([c.images for c in known])
  flat = batch.target.cameras.extrinsics.reshape(-1, 4, 4)
  pixels = batch.target.images.reshape(-1, 16, 16, 3)
  for pose, image in zip(flat, pixels, strict=True):
    match = np.flatnonzero((poses == pose).all((1, 2)))
    assert any(np.array_equal(images[m], image) for m in match)


def test_a_resumed_stream_equals_the_uninterrupted_one(prepared):
  config = clips.data_config(prepared, flip=True, num_conditions=1)
  whole = _take(config, 6)
  first = loader.train_iterator(config, seed=3)
  for _ in range(2):
    next(first)
  state = first.get_state()
  assert state == {"global_next_index": 8}
  first.close()
  second = loader.train_iterator(config, seed=3)
  second.set_state(state)
  for expected in whole[2:]:
    _assert_equal(next(second), expected)
  second.set_state(state)  # back again, in the middle of prefetching
  _assert_equal(next(second), whole[2])
  second.close()


def test_worker_processes_do_not_change_the_stream(prepared):
  expected = _take(clips.data_config(prepared, flip=True), 4)
  iterator = loader.train_iterator(
    clips.data_config(prepared, flip=True, workers=2), seed=3
  )
  for batch in expected[:2]:
    _assert_equal(next(iterator), batch)
  # Another number of workers goes on where this one stopped.
  state = iterator.get_state()
  iterator.close()
  iterator = loader.train_iterator(
    clips.data_config(prepared, flip=True), seed=3
  )
  iterator.set_state(state)
  _assert_equal(next(iterator), expected[2])
  iterator.close()


def test_hosts_share_the_same_global_batches(prepared):
  config = clips.data_config(prepared)
  whole = _take(config, 3)
  parts = [_take(config, 3, process_index=i, process_count=2) for i in range(2)]
  for batch, *halves in zip(whole, *parts, strict=True):
    joined = jax.tree.map(lambda a, b: np.concatenate([a, b]), *halves)
    _assert_equal(joined, batch)
  with pytest.raises(InputError, match=r"data.batch_size: 4"):
    loader.train_iterator(config, seed=0, process_index=0, process_count=3)


def test_a_host_gets_the_parts_of_a_batch_that_its_devices_hold(prepared):
  config = clips.data_config(prepared)
  whole = _take(config, 3)
  for index, parts in enumerate([(0, 3), (1, 2)]):
    found = _take(config, 3, process_index=index, process_count=2, parts=parts)
    for batch, share in zip(whole, found, strict=True):
      rows = jax.tree.map(lambda x, rows=parts: x[list(rows)], batch)
      _assert_equal(share, rows)


def test_the_cache_changes_nothing(prepared):
  cached = _take(clips.data_config(prepared, flip=True), 4)
  plain = _take(clips.data_config(prepared, flip=True, cache=False), 4)
  for a, b in zip(cached, plain, strict=True):
    _assert_equal(a, b)


def test_scenes_that_do_not_serve_are_left_out_and_named(prepared):
  config = clips.data_config(prepared, num_context=18)  # of 16, 17 and 18
  stream = loader.train_iterator(config, seed=3)
  assert list(stream.dropped) == ["s0", "s1"]
  assert all("lower data.num_context" in r for r in stream.dropped.values())
  stream.close()
  poses = clips.clip(22, 16, 2).cameras.extrinsics
  for batch in _take(config, 2):
    for pose in batch.context.cameras.extrinsics.reshape(-1, 4, 4):
      assert (poses == pose).all((1, 2)).any()
  for a, b in zip(
    _take(config, 2),
    _take(config.copy_and_resolve_references(), 2),
    strict=True,
  ):
    _assert_equal(a, b)


def test_other_seeds_give_other_batches(prepared):
  config = clips.data_config(prepared)
  first, second = (
    next(loader.train_iterator(config, seed=seed)) for seed in (3, 4)
  )
  assert not np.array_equal(first.target.images, second.target.images)


def test_every_scene_comes_once_an_epoch(prepared):
  config = clips.data_config(prepared, batch_size=3)
  lengths = {20: 0, 21: 1, 22: 2}
  assert [r.frames for r in Dataset(prepared).scenes] == list(lengths)
  known = [clips.clip(20 + i, 16, i).cameras.extrinsics for i in range(3)]
  for batch in _take(config, 4):
    scenes = {
      number
      for pose in batch.context.cameras.extrinsics[:, 0]
      for number, poses in enumerate(known)
      if (poses == pose).all((1, 2)).any()
    }
    assert scenes == {0, 1, 2}


def test_held_out_frames_are_never_seen(prepared):
  config = clips.data_config(prepared, num_conditions=3)
  held_out = {2, 7, 12, 17}
  known = [clips.clip(20 + i, 16, i).cameras.extrinsics for i in range(3)]
  hidden = np.concatenate([poses[sorted(held_out)] for poses in known])
  seen = []
  for batch in _take(config, 40):
    for views in (batch.context, batch.target, batch.condition):
      seen.append(views.cameras.extrinsics.reshape(-1, 4, 4))
  seen = np.unique(np.concatenate(seen), axis=0)
  for pose in hidden:
    assert not (seen == pose).all((1, 2)).any()
  usable = sum(len(p) for p in known) - sum(
    len(_HOLDOUT.indices(len(p))) for p in known
  )
  assert len(seen) > 0.9 * usable


def test_flips_mirror_all_views_of_a_scene(prepared):
  plain = _take(clips.data_config(prepared), 8)
  flipped = _take(clips.data_config(prepared, flip=True), 8)
  count = 0
  for a, b in zip(plain, flipped, strict=True):
    for i in range(4):
      same = np.array_equal(a.context.images[i], b.context.images[i])
      for name in ("context", "target"):
        one, two = getattr(a, name), getattr(b, name)
        mirrored = one.images[i] if same else one.images[i, :, :, ::-1]
        np.testing.assert_array_equal(two.images[i], mirrored)
      count += not same
  assert 4 < count < 28  # of 32


def test_only_the_frames_of_a_sample_are_read(prepared):
  dataset = Dataset(prepared)
  config = clips.data_config(prepared)
  reader = FrameReader(dataset)
  sampler = ViewSampler.from_config(config)
  examples = Examples(reader, sampler, batch_size=4, flip=False)
  examples((0, 1), np.random.default_rng(0))
  assert dataset.records_read == config.num_context + config.num_targets


def test_the_context_gap_warms_up_with_the_step(prepared, tmp_path):
  builders.build(tmp_path, clips.plan(frames=60))
  config = clips.data_config(tmp_path, num_context=2, num_targets=2)
  config.view_sampler = {
    "name": "bounded",
    "gap": 1,
    "chunks": 1,
    "chunk_probability": 1.0,
    "context": "farthest_point",
    "initial_context_gap": (5, 5),
    "final_context_gap": (25, 25),
    "warmup_steps": 4,
    "margin": 0,
  }
  known = [clips.clip(60 + i, 16, i).cameras.extrinsics for i in range(3)]

  def gaps(batch):
    for pair in batch.context.cameras.extrinsics:
      for poses in known:
        at = [np.flatnonzero((poses == p).all((1, 2))) for p in pair]
        if all(len(a) for a in at):
          yield int(at[1][0] - at[0][0])

  found = [set(gaps(batch)) for batch in _take(config, 6)]
  assert found == [{5}, {10}, {15}, {20}, {25}, {25}]


def test_whole_scenes_are_loaded_by_key_and_number(prepared):
  assert [row.key for row in loader.scenes(prepared, "train")] == [
    "s0", "s1", "s2",
  ]  # fmt: skip
  scene = loader.load_scene(prepared, "train", "s1")
  expected = clips.clip(21, 16, 1)
  np.testing.assert_array_equal(scene.images, expected.images)
  np.testing.assert_array_equal(
    scene.cameras.extrinsics, expected.cameras.extrinsics
  )
  assert scene.row.held_out == (2, 7, 12, 17)
  assert loader.load_scene(prepared, "train", 1).row.key == "s1"
  with pytest.raises(InputError, match=r"s7.*s0, s1, s2"):
    loader.load_scene(prepared, "train", "s7")


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"path": "nowhere/at/all"}, r"data.path.*scenetok prepare"),
    ({"path": ""}, r"data.path: not set"),
    ({"split": "test"}, r"data.split"),
    ({"image_size": 32}, r"s0: data.image_size: .* 32, .*16x16.*--size=32"),
    ({"num_context": 19}, r"s0: data.num_context: 19 .* 16 frames"),
    ({"num_targets": 40}, r"s0: data.num_targets: 40 latents.*16"),
    ({"num_conditions": 50}, r"s0: data.num_conditions: 50"),
  ],
)
def test_data_that_does_not_fit_the_config_is_refused(
  prepared, changes, message
):
  config = clips.data_config(prepared, **changes)
  with pytest.raises(InputError, match=message):
    loader.train_iterator(config, seed=0)


@pytest.mark.parametrize(
  ("cores", "machine", "processes", "found"),
  [
    (1, 1, 1, 0),
    (4, 4, 1, 0),  # a laptop's training process reads
    (8, 8, 1, 4),
    (64, 64, 1, 16),
    (64, 64, 8, 4),  # one process for each GPU
    (8, 64, 8, 4),  # the launcher has bound each to its cores
    (4, 4, 8, 0),
  ],
)
def test_workers_are_counted_from_the_cores_of_a_process(
  monkeypatch, cores, machine, processes, found
):
  monkeypatch.setattr(usage, "cores", lambda: cores)
  monkeypatch.setattr(loader.os, "cpu_count", lambda: machine)
  assert loader.count_workers(-1, processes) == found
  assert loader.count_workers(3, processes) == 3


def test_less_than_automatic_is_refused():
  with pytest.raises(InputError, match=r"data\.workers: -2 must be 0 or more"):
    loader.count_workers(-2)


def test_automatic_workers_read_the_same_stream(prepared, monkeypatch):
  monkeypatch.setattr(usage, "cores", lambda: 5)
  monkeypatch.setattr(loader.os, "cpu_count", lambda: 5)
  config = clips.data_config(prepared)
  want = _take(config, 2)
  config.workers = -1
  assert loader.with_workers(config).workers == 2
  _assert_equal(want, _take(config, 2))
  assert config.workers == -1
