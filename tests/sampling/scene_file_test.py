"""Scene files keep the tokens, and refuse what they were not made for."""

import dataclasses

import jax
import numpy as np
import pytest

from scenetok_jax.sampling.scene_file import (
  SceneFile,
  check_scene,
  codec_digest,
  load_scene,
  model_digest,
  save_scene,
)
from scenetok_jax.types import InputError
from tests import networks
from tests.sampling.models import tiny, tokens


@pytest.fixture
def scene():
  model, params = tiny()
  cameras = jax.tree.map(lambda a: a[0], networks.cameras(1, 1, 3))
  return SceneFile(
    key="room",
    tokens=tokens(model, 1)[0],
    reference=cameras.extrinsics[1],
    context=cameras,
    model=model_digest(params),
    codec=codec_digest(model.target_codec),
  )


@pytest.mark.parametrize(
  ("storage", "error"), [("float32", 0), ("bfloat16", 4e-3), ("int8", 5e-3)]
)
def test_round_trip(scene, tmp_path, storage, error):
  path = tmp_path / "scene.tok"
  save_scene(path, scene, storage)
  found = load_scene(path)
  largest = np.abs(scene.tokens).max(axis=-1, keepdims=True)
  assert (np.abs(found.tokens - scene.tokens) <= error * largest).all()
  np.testing.assert_array_equal(found.reference, scene.reference)
  np.testing.assert_array_equal(
    found.context.intrinsics, scene.context.intrinsics
  )
  assert (found.key, found.model) == ("room", scene.model)
  check_scene(path, found, *tiny())


def test_storage_shrinks_the_tokens(scene, tmp_path):
  many = dataclasses.replace(scene, tokens=networks.normals(0, 512, 64))
  sizes = [
    save_scene(tmp_path / name, many, name)
    for name in ("float32", "bfloat16", "int8")
  ]
  overhead = 1500
  assert 131_072 < sizes[0] < 131_072 + overhead
  assert 65_536 < sizes[1] < 65_536 + overhead
  assert 32_768 < sizes[2] < 32_768 + 2 * 512 + overhead


def test_an_unknown_storage_is_refused(scene, tmp_path):
  with pytest.raises(InputError, match="--storage: 'int4' is not one of"):
    save_scene(tmp_path / "x.tok", scene, "int4")
  assert not (tmp_path / "x.tok").exists()


def test_a_truncated_file_is_refused(scene, tmp_path):
  path = tmp_path / "scene.tok"
  save_scene(path, scene)
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(InputError, match=r"scene\.tok: not a whole scene file"):
    load_scene(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match="not found; check the path"):
    load_scene(tmp_path / "none.tok")


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
  save_scene(path, dataclasses.replace(scene, **change))
  with pytest.raises(InputError, match=message):
    check_scene(path, load_scene(path), *tiny())


def test_broken_numbers_are_refused(scene, tmp_path):
  path = tmp_path / "scene.tok"
  broken = np.full_like(scene.tokens, np.nan)
  save_scene(path, dataclasses.replace(scene, tokens=broken))
  with pytest.raises(InputError, match="tokens: NaN or Inf"):
    load_scene(path)
  mirrored = scene.reference @ np.diag([-1, 1, 1, 1]).astype(np.float32)
  save_scene(path, dataclasses.replace(scene, reference=mirrored))
  with pytest.raises(InputError, match=r"reference: .*mirrored axes"):
    load_scene(path)
