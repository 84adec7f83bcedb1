"""Checkpoint files are read as stored, or refused in one clear line."""

import json
import pickle
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from scenetok_jax.convert.reader import Tensors, read_tensors, select
from scenetok_jax.types import InputError
from tests.goldens import load_case

TENSORS = {
  "a.x": np.arange(6, dtype=np.float32).reshape(2, 3),
  "b.y": np.ones(2, np.float16),
}


class Malicious:
  """Runs code when unpickled, if anything lets it."""

  def __reduce__(self):
    return exec, ("raise SystemExit('ran')",)


def test_safetensors_are_read_as_stored(tmp_path):
  save_file(TENSORS, tmp_path / "x.safetensors")
  tensors = read_tensors(tmp_path / "x.safetensors")
  assert set(tensors) == set(TENSORS)
  for name, expected in TENSORS.items():
    np.testing.assert_array_equal(tensors[name], expected)
    assert tensors[name].dtype == expected.dtype


@pytest.mark.parametrize(
  "kind, size, values, expected",
  [
    ("BF16", 2, b"\x80\x3f\x00\xc0", [1, -2]),
    ("F8_E4M3", 1, b"\x38\xc0\x01\x7e", [1, -2, 2**-9, 448]),
    ("F8_E5M2", 1, b"\x3c\xc0\x01\x7b", [1, -2, 2**-16, 57344]),
  ],
)
def test_narrow_floats_are_widened(tmp_path, kind, size, values, expected):
  shape = [len(values) // size]
  places = {"dtype": kind, "shape": shape, "data_offsets": [0, len(values)]}
  text = json.dumps({"x": places}).encode()
  path = tmp_path / "x.safetensors"
  path.write_bytes(len(text).to_bytes(8, "little") + text + values)
  tensor = read_tensors(path)["x"]
  assert tensor.dtype == np.float32
  assert tensor.tolist() == expected


def test_narrow_floats_of_torch_are_widened(tmp_path):
  torch = pytest.importorskip("torch")
  values = torch.tensor([1.0, -2, 448])
  kinds = (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
  torch.save({str(k): values.to(k) for k in kinds}, tmp_path / "x.ckpt")
  for tensor in dict(read_tensors(tmp_path / "x.ckpt")).values():
    assert tensor.dtype == np.float32 and tensor[:2].tolist() == [1, -2]


def test_tensors_that_are_no_arrays_are_named(tmp_path):
  torch = pytest.importorskip("torch")
  torch.save({"x": torch.eye(3).to_sparse()}, tmp_path / "x.ckpt")
  with pytest.raises(InputError, match=r"x\.ckpt: x: .*; save it as dense"):
    dict(read_tensors(tmp_path / "x.ckpt"))


def test_a_prefix_selects_one_network():
  tensors = Tensors(TENSORS, TENSORS.__getitem__)
  assert list(select(tensors, "a.")) == ["x"]
  np.testing.assert_array_equal(select(tensors, "a.")["x"], TENSORS["a.x"])
  assert select(tensors, "none.") is tensors
  assert "a.x" not in select(tensors, "a.")


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match=r"x\.ckpt: .*No such file"):
    read_tensors(tmp_path / "x.ckpt")


def test_a_truncated_safetensors_file_is_refused(tmp_path):
  path = tmp_path / "x.safetensors"
  save_file(TENSORS, path)
  path.write_bytes(path.read_bytes()[:-4])
  with pytest.raises(InputError, match="not a whole safetensors file"):
    read_tensors(path)


def test_without_torch_the_remedy_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "torch", None)
  path = tmp_path / "x.ckpt"
  path.write_bytes(pickle.dumps({}))
  with pytest.raises(InputError, match=r"scenetok_jax\[convert\]"):
    read_tensors(path)


@pytest.mark.parametrize("kind", ["pickle", "zip"])
def test_code_in_a_torch_file_is_refused(tmp_path, kind):
  torch = pytest.importorskip("torch")
  path = tmp_path / "x.ckpt"
  payload = {"state_dict": {"x": torch.ones(1)}, "callbacks": Malicious()}
  torch.save(payload, path, _use_new_zipfile_serialization=kind == "zip")
  with pytest.raises(InputError, match="refused: unpickling it would call"):
    read_tensors(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_torch_file_is_refused(tmp_path, zipped):
  torch = pytest.importorskip("torch")
  path = tmp_path / "x.ckpt"
  state = {"x": torch.ones(1000)}
  torch.save(state, path, _use_new_zipfile_serialization=zipped)
  path.write_bytes(path.read_bytes()[:-900])
  with pytest.raises(InputError, match="not a whole torch checkpoint"):
    read_tensors(path)


def test_a_torch_file_of_something_else_is_refused(tmp_path):
  torch = pytest.importorskip("torch")
  torch.save(torch.ones(1), tmp_path / "x.pt")
  with pytest.raises(InputError, match="not tensors by name"):
    read_tensors(tmp_path / "x.pt")


@pytest.mark.parametrize(
  "name",
  ["flat_zip.pth", "flat_legacy.pth", "nested_zip.pt", "nested_legacy.pt"],
)
def test_every_torch_container_holds_the_same_arrays(name):
  pytest.importorskip("torch")
  case = load_case("checkpoint_formats")
  tensors = read_tensors(case.path / name)
  with np.load(case.path / "expected.npz") as file:
    expected = dict(file)
  assert set(tensors) == set(expected)
  for key, array in expected.items():
    assert tensors[key].dtype == array.dtype, key
    np.testing.assert_array_equal(tensors[key], array)


def test_a_lightning_checkpoint_equals_its_safetensors():
  pytest.importorskip("torch")
  folder = load_case("scenegen_released_style").path
  first = read_tensors(folder / "checkpoint.ckpt")
  second = read_tensors(folder / "weights.safetensors")
  assert set(first) == set(second)
  for name, tensor in second.items():
    np.testing.assert_array_equal(first[name], tensor)
