"""Checkpoints are read whatever trainer, compiler or average wrapped them."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from scenetok_jax.convert import reader
from scenetok_jax.types import InputError
from tests.networks import normals

PLAIN = {
  "compressor.scene_tokens": normals(0, 1, 4, 3),
  "denoiser.blocks.0.mlp.0.weight": normals(1, 3, 2),
}
AVERAGE = {name: 2 * tensor for name, tensor in PLAIN.items()}


def _put(prefix, tensors=PLAIN):
  return {prefix + name: tensor for name, tensor in tensors.items()}


def _compiled_parts(tensors=PLAIN):
  return {n.replace(".", "._orig_mod.", 1): x for n, x in tensors.items()}


def _assert_is(path, expected, *, ema=False):
  found = reader.read_tensors(path, ema=ema)
  assert set(found) == set(expected)
  for name, tensor in expected.items():
    np.testing.assert_array_equal(found[name], tensor)
  if not ema:
    shapes = {name: tensor.shape for name, tensor in expected.items()}
    assert reader.read_shapes(path) == shapes
  return found


@pytest.mark.parametrize(
  "tensors",
  [
    _put("_orig_mod."),
    _put("module."),
    _put("model."),
    _put("model._orig_mod."),
    _put("_orig_mod.module."),
    _put("state_dict.model."),
    _compiled_parts(),
    {**_put("model."), **_put("ema_model.module.", AVERAGE)},
  ],
  ids=lambda tensors: next(iter(tensors)),
)
def test_wrapped_names_are_unwrapped(tmp_path, tensors):
  save_file(tensors, tmp_path / "x.safetensors")
  _assert_is(tmp_path / "x.safetensors", PLAIN)


def test_names_that_would_be_one_stay_as_they_are(tmp_path):
  tensors = {"model.x": normals(0, 2), "x": normals(1, 2)}
  save_file(tensors, tmp_path / "x.safetensors")
  _assert_is(tmp_path / "x.safetensors", tensors)


@pytest.fixture
def saved(tmp_path):
  torch = pytest.importorskip("torch", reason="torch files: extra [convert]")

  def convert(value):
    if isinstance(value, dict):
      return {key: convert(item) for key, item in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

  def save(payload):
    torch.save(convert(payload), tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"

  return save


@pytest.mark.parametrize(
  "payload",
  [
    {"model": PLAIN, "optimizer": {"state": {}}, "step": 7},
    {"model": {"state_dict": PLAIN}, "step": 7},
    {"module": _put("_orig_mod."), "global_step": 7},
    {"state_dict": _put("model."), "global_step": 7, "hyper": 3},
    {"model_state_dict": _put("module."), "step": 7},
  ],
  ids=lambda payload: next(iter(payload)),
)
def test_containers_of_torch_files_are_opened(saved, payload):
  path = saved(payload)
  _assert_is(path, PLAIN)
  assert reader.read_step(path) == 7


@pytest.mark.parametrize(
  "payload",
  [
    {"state_dict": PLAIN, "ema_state_dict": AVERAGE},
    {"state_dict": PLAIN, "state_dict_ema": _put("module.", AVERAGE)},
    {"model": PLAIN, "ema": {"model": AVERAGE}},
    {"state_dict": {**_put("model."), **_put("ema_model.", AVERAGE)}},
    {
      "state_dict": {
        **_put("model."),
        **_put("ema_model.module.", AVERAGE),
        "ema_model.n_averaged": np.array(9),
      }
    },
  ],
)
def test_averages_are_taken_when_asked_for_and_counted_when_not(saved, payload):
  path = saved(payload)
  assert _assert_is(path, PLAIN).averages == len(AVERAGE)
  assert _assert_is(path, AVERAGE, ema=True).averages == 0


def test_what_is_not_there_is_told(saved):
  path = saved({"state_dict": PLAIN})
  with pytest.raises(InputError, match=r"no averaged .*; leave out --ema"):
    reader.read_tensors(path, ema=True)
  path = saved({"ema_state_dict": AVERAGE})
  with pytest.raises(InputError, match=r"averaged weights alone .*; add --ema"):
    reader.read_tensors(path)
