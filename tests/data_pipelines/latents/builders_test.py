"""Latents on disk: what training reads from them is what frames would give."""

import contextlib
import dataclasses
import functools
import json
import pickle
import shutil

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_pipelines.latents import builders as latents
from data_pipelines.latents import encoder, writer
from data_pipelines.latents import records as latent_records
from data_pipelines.latents.identity import identity, weights_hash
from data_pipelines.loading import loader
from data_pipelines.storage import builders, recipes, records
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.geometry import cameras as camera_math
from scenetok_jax.model import encode_views
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

CONTEXT = {
  "name": "block_dct",
  "spatial": 8,
  "channels": 24,
  "frames_per_latent": 1,
  "chunked": False,
}
# Half a unit in the last place of what is stored.
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
  """Three scenes of 40 to 42 frames of 16 x 16, every fifth held out."""
  path = tmp_path_factory.mktemp("frames")
  holdout = recipes.Holdout(5)
  builders.build(path, clips.plan(scenes=3, frames=40, holdout=holdout))
  return path


def _data(path="", unit=4, chunked=False, **changes):
  config = clips.data_config(
    path, frames_per_latent=unit, chunked=chunked, num_targets=5, flip=True
  )
  config.view_sampler.update({"gap": 5 if chunked else 2, "chunks": 1})
  config.update(changes)
  return config


def _codecs(unit=4, chunked=False, **changes):
  target = {**CONTEXT, "frames_per_latent": unit, "chunked": chunked}
  fields = {"context": CONTEXT, "target": {**target, **changes}}
  return {part: get_codec(**value) for part, value in fields.items()}, fields


def _identities(codecs, fields):
  return {part: identity(codec, fields[part]) for part, codec in codecs.items()}


def _work(frames, unit=4, chunked=False, **options):
  codecs, fields = _codecs(unit, chunked)
  return encoder.EncodingJob(
    dataset=records.Dataset(frames),
    codecs=codecs,
    identities=_identities(codecs, fields),
    sampler=ViewSampler.from_config(_data(unit=unit, chunked=chunked)),
    options=encoder.LatentOptions(**options),
  )


@pytest.fixture(scope="module")
def stored(frames, tmp_path_factory):
  """Latents of those frames, plain and flipped."""
  path = tmp_path_factory.mktemp("latents")
  report = latents.build(path, _work(frames))
  assert (report["seen"], report["kept"], report["dropped"]) == (3, 3, [])
  return path


def _take(config, count, codecs=None):
  iterator = loader.train_iterator(config, seed=3, codecs=codecs)
  batches = [next(iterator) for _ in range(count)]
  iterator.close()
  return batches


def _assert_close(stored, exact, rounding):
  """Equal but for rounding: of storage, and of sums of terms of about 10."""
  exact = np.asarray(exact, np.float32)
  difference = np.abs(np.asarray(stored, np.float32) - exact)
  assert (difference <= rounding * np.abs(exact) + 1e-5).all()


def _assert_same_views(codec, dense, frames, rounding):
  """Views read as latents against views read as frames and encoded."""
  assert dense.images is None and frames.latents is None
  for field in ("extrinsics", "intrinsics"):
    np.testing.assert_array_equal(
      getattr(dense.cameras, field), getattr(frames.cameras, field)
    )
  _assert_close(
    encode_views(codec, dense, None),
    encode_views(codec, frames, None),
    rounding,
  )


@pytest.mark.parametrize(
  "unit, chunked, dtype",
  [(1, False, "bfloat16"), (4, False, "float16"), (4, True, "float16")],
)
def test_a_batch_of_latents_is_the_batch_of_frames_encoded(
  frames, tmp_path, unit, chunked, dtype
):
  latents.build(tmp_path, _work(frames, unit, chunked, dtype=dtype))
  codecs, fields = _codecs(unit, chunked)
  ours = _data(unit=unit, chunked=chunked, num_conditions=2)
  read = {"latents": str(tmp_path)}
  dense = _take(
    _data(unit=unit, chunked=chunked, num_conditions=2, **read), 4,
    lambda: _identities(codecs, fields),
  )  # fmt: skip
  ours.path = str(frames)
  for mine, theirs in zip(dense, _take(ours, 4), strict=True):
    for part in ("context", "target", "condition"):
      codec = codecs["target" if part == "target" else "context"]
      _assert_same_views(
        codec, getattr(mine, part), getattr(theirs, part), ROUNDING[dtype]
      )


def test_flipped_latents_are_those_of_mirrored_frames(frames, stored):
  dataset, source = (
    latent_records.LatentDataset(stored),
    records.Dataset(frames),
  )
  codecs, _ = _codecs()
  numbers = np.array([3, 0])
  for row, scene in zip(dataset.scenes, source.scenes, strict=True):
    images, cameras = source.read_frames(scene, scene.kept)
    np.testing.assert_array_equal(
      dataset.cameras(row).extrinsics, cameras.extrinsics
    )
    for flipped in (False, True):
      seen = images[:, :, ::-1] if flipped else images
      exact = codecs["context"].encode({}, seen[None] / np.float32(255), None)
      found = dataset.read(row, "context", numbers, flipped)
      assert found.dtype == np.float16
      _assert_close(found, exact[0, numbers], ROUNDING["float16"])


def test_a_flipped_bit_of_a_camera_is_refused(stored, tmp_path):
  shutil.copytree(stored, tmp_path / "copy")
  file = tmp_path / "copy/train/cameras.f32"
  data = bytearray(file.read_bytes())
  data[12] ^= 1
  file.write_bytes(data)
  dataset = latent_records.LatentDataset(tmp_path / "copy")
  with pytest.raises(InputError, match=r"cameras\.f32: scene .*: its bytes"):
    dataset.cameras(dataset.scenes[0])
  assert latent_records.LatentDataset(stored).scale["baseline"][2] > 0


def test_a_flipped_example_has_mirrored_cameras(stored):
  config = _data(latents=str(stored))
  codecs, fields = _codecs()
  dataset = latent_records.LatentDataset(stored)
  known = np.concatenate(
    [dataset.cameras(r).extrinsics for r in dataset.scenes]
  )
  mirrored = camera_math.flip(
    loader.Cameras(
      known, np.tile(np.eye(3, dtype=np.float32), (len(known), 1, 1))
    )
  ).extrinsics
  batches = _take(config, 6, lambda: _identities(codecs, fields))
  poses = np.concatenate([b.context.cameras.extrinsics[:, 0] for b in batches])
  plain = [(known == pose).all((1, 2)).any() for pose in poses]
  flipped = [(mirrored == pose).all((1, 2)).any() for pose in poses]
  assert np.logical_xor(plain, flipped).all()
  assert 3 < sum(flipped) < 21  # of 24


def test_held_out_frames_were_never_encoded(frames, stored):
  dataset = latent_records.LatentDataset(stored)
  for row, scene in zip(
    dataset.scenes, records.Dataset(frames).scenes, strict=True
  ):
    assert row.frames == scene.frames - len(scene.held_out) < scene.frames
    assert row.latents == row.frames // 4


def test_either_part_is_a_tensorflow_dataset(stored):
  dataset = latent_records.LatentDataset(stored)
  for part in ("context", "target"):
    builder = tfds.builder_from_directory(stored / "train" / part)
    source = builder.as_data_source("train")
    told = json.loads(builder.info.description)
    assert told["name"] == "block_dct" and "weights_sha256" in told
    chunk = latent_records.CHUNKS[part]
    assert len(source) == 2 * sum(
      -(-(r.frames if part == "context" else r.latents) // chunk)
      for r in dataset.scenes
    )
    row = dataset.scenes[1]
    first = row.context_first if part == "context" else row.target_first
    example = source[first]
    assert (example["scene"], example["index"]) == (b"s1", 0)
    assert not example["flipped"]


@pytest.mark.parametrize("chunk", [None, 1, 3, 8, 50])
def test_latents_are_the_same_whatever_shares_a_record(tmp_path, chunk):
  rng = np.random.default_rng(0)
  chunks = {"context": 1, "target": chunk or 1}
  shapes = {"context": (2, 2, 3), "target": (1, 1, 4)}
  part = writer.PartWriter(tmp_path / "part", chunks)
  scenes = []
  for number, count in enumerate((8, 5)):
    scene = writer.EncodedLatents(
      key=f"s{number}",
      context=rng.normal(size=(2, count, 2, 2, 3)).astype(np.float16),
      target=rng.normal(size=(2, count, 1, 1, 4)).astype(np.float16),
      cameras=loader.Cameras(
        np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)),
        np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
      ),
      size=(32, 32),
      source="random",
    )
    part.add(scene)
    scenes.append(scene)
  part.close({"dropped": []})
  # Data of before had no chunk in them: one latent a record.
  told = {} if chunk is None else {"chunk": chunk}
  codecs = {
    name: {"name": "c", "weights_sha256": "", "dtype": "float16"}
    | {"shape": shape}
    | (told if name == "target" else {})
    for name, shape in shapes.items()
  }
  report = {"seen": 2, "kept": 2, "frames": 13, "dropped": [], "warnings": []}
  info = {"kind": latent_records.KIND, "codecs": codecs, "flipped": True}
  info |= {"report": report}
  writer.merge([tmp_path / "part"], tmp_path / "all/train", "train", info)
  dataset = latent_records.LatentDataset(tmp_path / "all")
  for row, scene in zip(dataset.scenes, scenes, strict=True):
    for numbers in ([4, 0, 3, 3], [], range(row.latents)):
      for flipped in (False, True):
        numbers = np.array(list(numbers), int)
        found = dataset.read(row, "target", numbers, flipped)
        np.testing.assert_array_equal(
          found, scene.target[int(flipped)][numbers]
        )


@pytest.mark.parametrize(
  "field, value",
  [
    ("chunk", 0), ("chunk", -1), ("chunk", 2.5), ("chunk", 10**30),
    ("chunk", "8"), ("shape", [4, 4]), ("shape", [-1, 4, 3]),
    ("shape", [10**9, 10**9, 10**9]), ("dtype", "float64"), ("dtype", None),
  ],
)  # fmt: skip
def test_codecs_of_hostile_data_are_refused(stored, tmp_path, field, value):
  copy = tmp_path / "copy"
  shutil.copytree(stored, copy)
  file = copy / "train/prepared.json"
  info = json.loads(file.read_text())
  info["codecs"]["target"][field] = value
  file.write_text(json.dumps(info))
  with pytest.raises(InputError, match=rf"prepared\.json: .*{field}|integer"):
    latent_records.LatentDataset(copy)


def test_latents_larger_than_their_record_take_no_memory(stored, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(stored, copy)
  file = copy / "train/prepared.json"
  info = json.loads(file.read_text())
  info["codecs"]["target"]["shape"] = [65536, 65536, 65536]
  file.write_text(json.dumps(info))
  dataset = latent_records.LatentDataset(copy)
  with pytest.raises(InputError, match="cannot be unpacked"):
    dataset.read(dataset.scenes[0], "target", np.arange(2))


def test_a_dataset_of_latents_travels_to_worker_processes(stored):
  dataset = latent_records.LatentDataset(stored)
  copy = pickle.loads(pickle.dumps(dataset))
  row, numbers = dataset.scenes[1], np.arange(3)
  np.testing.assert_array_equal(
    copy.read(row, "target", numbers), dataset.read(row, "target", numbers)
  )
  with pytest.raises(InputError, match=r"scene s1: target latent 8: .*has 8"):
    dataset.read(row, "target", np.array([8]))


@pytest.mark.parametrize("dtype", latent_records.DTYPES)
def test_packing_loses_nothing(dtype):
  kind = latent_records.DTYPES[dtype]
  values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(kind)
  values[0, 0, :2] = 0, -0.0
  data = latent_records.pack(values)
  back = latent_records.unpack(data, kind, values.shape, "here")
  assert back.tobytes() == values.tobytes() and back.dtype == kind
  for wrong in (data[:-3], data[:10], b""):
    with pytest.raises(InputError, match="here: cannot be unpacked"):
      latent_records.unpack(wrong, kind, values.shape, "here")


@pytest.mark.parametrize("dtype", latent_records.DTYPES)
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_latents_that_are_not_finite_are_refused(dtype, value):
  values = np.full((3, 4), 6e4, latent_records.DTYPES[dtype])
  assert latent_records.finite(values)
  values[2, 3] = value
  data = latent_records.pack(values)
  with pytest.raises(InputError, match="here: holds NaN or Inf"):
    latent_records.unpack(data, values.dtype, values.shape, "here")


def _other_weights(codec):
  return dataclasses.replace(codec, load=lambda: {"w": np.ones(2, np.float32)})


def _other_scaling(codec):
  scaling = dataclasses.replace(codec.scaling, std=(0.5,))
  return dataclasses.replace(codec, scaling=scaling)


@pytest.mark.parametrize(
  "change, field",
  [
    (_other_weights, "weights_sha256"),
    (_other_scaling, "scaling"),
    (lambda codec: dataclasses.replace(codec, channels=16), "channels"),
    (lambda codec: dataclasses.replace(codec, name="va_vae"), "name"),
  ],
)
@pytest.mark.parametrize("part", ["context", "target"])
def test_latents_of_another_codec_are_refused(stored, part, change, field):
  codecs, fields = _codecs()
  codecs[part] = change(codecs[part])
  with pytest.raises(InputError, match=rf"codecs.{part}.{field}: .*again"):
    loader.train_iterator(
      _data(latents=str(stored)),
      seed=0,
      codecs=lambda: _identities(codecs, fields),
    )


def test_latents_serve_a_run_without_codec_weights(stored, tmp_path, capsys):
  codecs, fields = _codecs()
  identities = _identities(codecs, fields)
  folder = tmp_path / "train"
  shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
  info = json.loads((folder / "prepared.json").read_text())
  info["codecs"]["target"]["weights_sha256"] = "ab" * 32
  (folder / "prepared.json").write_text(json.dumps(info))
  data = loader.train_iterator(
    _data(latents=str(tmp_path)), seed=0, codecs=lambda: identities
  )
  with contextlib.closing(data):
    data.tell(tmp_path / "dropped.json")
  told = capsys.readouterr().err
  assert "block_dct (weights none) and block_dct (weights abababababab)" in told


def test_the_hash_of_weights_tells_values_names_and_shapes_apart():
  ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
  trees = [
    {"a": ones}, {"a": zeros}, {"b": ones}, {"a": ones.reshape(2, 2)},
    {"a": {"b": ones}}, {},
  ]  # fmt: skip
  assert len({weights_hash(tree) for tree in trees}) == len(trees)
  twice = {"b": zeros, "a": ones}, {"a": ones, "b": zeros}
  assert weights_hash(twice[0]) == weights_hash(twice[1])


def test_data_without_mirrored_latents_serves_only_runs_without_flip(
  frames, tmp_path
):
  latents.build(tmp_path, _work(frames, flipped=False))
  codecs, fields = _codecs()
  told = functools.partial(_identities, codecs, fields)
  with pytest.raises(InputError, match=r"data.flip: .*data.flip=False"):
    loader.train_iterator(_data(latents=str(tmp_path)), seed=0, codecs=told)
  _take(_data(latents=str(tmp_path), flip=False), 1, told)
  with pytest.raises(InputError, match="kind: holds latents, frames are"):
    records.Dataset(tmp_path)
  with pytest.raises(InputError, match="kind: holds frames, latents are"):
    latent_records.LatentDataset(frames)


def _tree(path):
  return {
    p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()
  }


def test_two_processes_write_what_one_writes(frames, stored, tmp_path):
  work = _work(frames)
  assert latents.build(tmp_path, work, 1, 2) is None
  report = latents.build(tmp_path, work, 0, 2)
  assert report["kept"] == 3 and not report["already"]
  assert _tree(tmp_path) == _tree(stored)
  assert latents.build(tmp_path, work)["already"]
  with pytest.raises(InputError, match=r"options.dtype: .*nothing was over"):
    latents.build(tmp_path, _work(frames, dtype="bfloat16"))
  assert _tree(tmp_path) == _tree(stored)


def test_an_interrupted_run_goes_on_at_its_part(
  frames, stored, tmp_path, monkeypatch
):
  encoded = []
  encode = latents.Encoder.scene

  def stop_at_the_last(self, row, images, cameras):
    if row.key == "s2":
      raise KeyboardInterrupt
    encoded.append(row.key)
    return encode(self, row, images, cameras)

  with monkeypatch.context() as patch:
    patch.setattr(latents.Encoder, "scene", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
      latents.build(tmp_path, _work(frames))
  assert encoded == ["s0", "s1"] and not (tmp_path / "train").exists()
  with monkeypatch.context() as patch:
    patch.setattr(
      latents.Encoder,
      "scene",
      lambda self, row, *a: (encoded.append(row.key), encode(self, row, *a))[1],
    )
    latents.build(tmp_path, _work(frames))
  assert encoded == ["s0", "s1", "s2"]
  assert _tree(tmp_path) == _tree(stored)
  assert {p.name for p in tmp_path.iterdir()} == {"train", "report.json"}


def test_scenes_that_cannot_serve_are_dropped_with_a_reason(tmp_path):
  scenes = [
    recipes.SceneLoader(key, functools.partial(clips.clip, count))
    for key, count in (("long", 40), ("short", 6))
  ]
  plan = dataclasses.replace(clips.plan(), scenes=scenes)
  builders.build(tmp_path / "frames", plan)
  report = latents.build(tmp_path / "out", _work(tmp_path / "frames"))
  assert (report["seen"], report["kept"]) == (2, 1)
  (dropped,) = report["dropped"]
  assert dropped["scene"] == "short" and "num_targets" in dropped["reason"]


def test_frames_that_do_not_fit_the_codec_are_refused(frames, tmp_path):
  work = _work(frames)
  codecs = {**work.codecs, "target": get_codec(**{**CONTEXT, "spatial": 5})}
  with pytest.raises(InputError, match=r"needs multiples of 5; .*--size"):
    latents.build(tmp_path / "a", dataclasses.replace(work, codecs=codecs))
  codecs = {**work.codecs, "context": work.codecs["target"]}
  with pytest.raises(InputError, match="use an image codec"):
    latents.build(tmp_path / "b", dataclasses.replace(work, codecs=codecs))
  assert not list(tmp_path.iterdir())


def test_the_stream_of_latents_resumes(stored):
  codecs, fields = _codecs()
  told = functools.partial(_identities, codecs, fields)
  config = _data(latents=str(stored))
  whole = _take(config, 4, told)
  iterator = loader.train_iterator(config, seed=3, codecs=told)
  iterator.set_state({"global_next_index": 8})
  for expected in whole[2:]:
    got = next(iterator)
    for a, b in zip(
      jax.tree.leaves(got), jax.tree.leaves(expected), strict=True
    ):
      np.testing.assert_array_equal(a, b)
  iterator.close()
