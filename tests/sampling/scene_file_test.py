"""Scene files keep the tokens, and refuse what they were not made for."""

import dataclasses

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from scenetok_jax.sampling import scene_file
from scenetok_jax.sampling.scene_file import (
  Scene,
  check_scene,
  codec_digest,
  model_digest,
)
from scenetok_jax.types import InputError
from tests import networks
from tests.sampling.models import tiny, tokens


@pytest.fixture
def scene():
  model, params = tiny()
  cameras = jax.tree.map(lambda a: a[0], networks.cameras(1, 1, 3))
  return Scene(
    key="room",
    tokens=tokens(model, 1)[0],
    reference=cameras.extrinsics[1],
    context=cameras,
    model=model_digest(params),
    codec=codec_digest(model.target_codec),
  )


def check(path, scene):
  model, params = tiny()
  check_scene(path, scene, model, model_digest(params))


@pytest.mark.parametrize(
  ("storage", "error"), [("float32", 0), ("bfloat16", 4e-3), ("int8", 5e-3)]
)
def test_round_trip(scene, tmp_path, storage, error):
  path = tmp_path / "scene.tok"
  scene.save(path, storage)
  found = Scene.load(path)
  largest = np.abs(scene.tokens).max(axis=-1, keepdims=True)
  assert (np.abs(found.tokens - scene.tokens) <= error * largest).all()
  np.testing.assert_array_equal(found.reference, scene.reference)
  np.testing.assert_array_equal(
    found.context.intrinsics, scene.context.intrinsics
  )
  assert (found.key, found.model) == ("room", scene.model)
  check(path, found)


def test_storage_shrinks_the_tokens(scene, tmp_path):
  many = dataclasses.replace(scene, tokens=networks.normals(0, 512, 64))
  sizes = [
    many.save(tmp_path / name, name) for name in ("float32", "bfloat16", "int8")
  ]
  overhead = 1500
  assert 131_072 < sizes[0] < 131_072 + overhead
  assert 65_536 < sizes[1] < 65_536 + overhead
  assert 32_768 < sizes[2] < 32_768 + 2 * 512 + overhead


def test_an_unknown_storage_is_refused(scene, tmp_path):
  with pytest.raises(InputError, match="--storage: 'int4' is not one of"):
    scene.save(tmp_path / "x.tok", "int4")
  assert not (tmp_path / "x.tok").exists()


def test_a_truncated_file_is_refused(scene, tmp_path):
  path = tmp_path / "scene.tok"
  scene.save(path)
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(InputError, match=r"scene\.tok: not a whole scene file"):
    Scene.load(path)


def test_a_version_of_the_future_is_refused(scene, tmp_path, monkeypatch):
  path = tmp_path / "scene.tok"
  with monkeypatch.context() as patch:
    patch.setattr(scene_file, "VERSION", 99)
    scene.save(path)
  with pytest.raises(InputError, match=r"scene\.tok: version: 99, this"):
    Scene.load(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match=r"not found .*; check the path"):
    Scene.load(tmp_path / "none.tok")


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"model": "x"}, "model: made by another checkpoint"),
    ({"codec": "x"}, "codec: made for another codec"),
    ({"tokens": np.zeros((3, 2), np.float32)}, "tokens: .* the model has"),
  ],
)
def test_a_file_of_another_model_is_refused(scene, tmp_path, change, message):
  path = tmp_path / "scene.tok"
  dataclasses.replace(scene, **change).save(path)
  with pytest.raises(InputError, match=message):
    check(path, Scene.load(path))


def _rewritten(path, **arrays):
  """A scene file with some arrays replaced, which save would not write."""
  with safe_open(path, framework="np") as file:
    stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata = file.metadata()
  del metadata["sha256"]  # which would tell first
  path.write_bytes(save({**stored, **arrays}, metadata))


_LENS = np.diag([0.5, 0.5, 1]).astype(np.float32)
_LENSES = np.repeat(_LENS[None], 3, axis=0)


@pytest.mark.parametrize(
  ("name", "value", "message"),
  [
    ("tokens", np.full((4, 8), np.nan, np.float32), "tokens: NaN or Inf"),
    ("tokens", np.full((4, 8), 3e38, np.float32), "tokens: as large as 3e.38"),
    ("tokens", np.ones((2, 4, 8), np.float32), "tokens: .* not floats"),
    ("tokens", np.ones((4, 8), np.int8), "not a whole scene file .*scale"),
    ("reference", np.diag([-1.0, 1, 1, 1]), "reference: .*mirrored axes"),
    ("reference", np.full((4, 4), 1e38), "reference: the last row"),
    ("reference", np.eye(4)[None], "reference: shape"),
    ("context_extrinsics", np.eye(4)[None], "1 context_extrinsics and 3"),
    ("context_intrinsics", _LENSES[:2], "and 2 context_intrinsics"),
    ("context_intrinsics", _LENSES * np.nan, "frame 0: holds NaN"),
    ("context_intrinsics", _LENSES * 1e30, "frame 0: focal lengths"),
  ],
)
def test_broken_numbers_are_refused(scene, tmp_path, name, value, message):
  path = tmp_path / "scene.tok"
  scene.save(path)
  if value.dtype == np.float64:
    value = value.astype(np.float32)
  _rewritten(path, **{name: value})
  with pytest.raises(InputError, match=message) as told:
    Scene.load(path)
  assert str(path) in str(told.value)


def test_broken_numbers_are_not_written(scene, tmp_path):
  broken = dataclasses.replace(scene, tokens=scene.tokens * np.float32("nan"))
  with pytest.raises(InputError, match="scene room: tokens: NaN or Inf"):
    broken.save(tmp_path / "scene.tok")
  with pytest.raises(InputError, match=r"^scene x: tokens: NaN or Inf"):
    check("scene x", broken)
  assert not list(tmp_path.iterdir())


def test_the_origin_of_map_coordinates_is_kept(scene, tmp_path):
  far = dataclasses.replace(scene, origin=(448262.5, 5411932.25, 120.0))
  far.save(tmp_path / "a.tok")
  assert Scene.load(tmp_path / "a.tok").origin == far.origin
  scene.save(tmp_path / "b.tok")
  assert Scene.load(tmp_path / "b.tok").origin == (0.0, 0.0, 0.0)
