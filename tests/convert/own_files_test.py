"""Files of this package: a changed bit anywhere is noticed."""

import json
import os

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save

from scenetok_jax.convert.compact import load_compact, save_compact
from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.types import InputError
from tests.networks import normals

ARRAYS = {
  "b": normals(0, 3, 2),
  "a": np.arange(5, dtype=np.int8),
  "scalar": np.full((), 3, np.float32),
  "none": np.zeros((0, 4), np.float16),
  "half": np.ones(3, ml_dtypes.bfloat16),
}


def _read(path):
  with own_arrays(path, "not whole", "make it again") as found:
    return found


def test_a_sealed_file_comes_back(tmp_path):
  path = tmp_path / "x.safetensors"
  path.write_bytes(save(ARRAYS, sealed(ARRAYS, {"step": "3"})))
  arrays, metadata = _read(path)
  assert metadata == {"step": "3"} and arrays.keys() == ARRAYS.keys()
  for name, array in ARRAYS.items():
    np.testing.assert_array_equal(arrays[name], array)


def test_a_file_of_an_older_version_comes_back(tmp_path):
  path = tmp_path / "x.safetensors"
  path.write_bytes(save(ARRAYS, {"step": "3"}))
  assert _read(path)[1] == {"step": "3"}


def test_no_flipped_bit_of_a_compact_file_passes(tmp_path):
  path = tmp_path / "params.safetensors"
  params = {"large": {"kernel": normals(1, 80, 60)}, "bias": normals(2, 9)}
  save_compact(path, params, step=12)
  data = path.read_bytes()
  kept = load_compact(path)[0]
  rng = np.random.default_rng(0)
  start = 8 + int.from_bytes(data[:8], "little")
  places = [*rng.integers(start, len(data), 30), *rng.integers(0, start, 30)]
  for place in map(int, places):
    flipped = bytearray(data)
    flipped[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(flipped)
    try:
      found = load_compact(path)[0]
    except InputError as error:
      assert str(path) in str(error)
      continue
    # Where the header alone changed, and nothing that it says.
    assert place < start
    np.testing.assert_array_equal(found["bias"], kept["bias"])
    kernel = found["large"]["kernel"]
    np.testing.assert_array_equal(kernel, kept["large"]["kernel"])


def test_a_type_without_arrays_is_told_in_one_line(tmp_path):
  header = {"x": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}
  text = json.dumps(header).encode()
  path = tmp_path / "x.safetensors"
  path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4)
  with pytest.raises(InputError, match=r"not whole .*; make it again"):
    _read(path)


def test_a_pipe_is_refused_without_waiting(tmp_path):
  os.mkfifo(tmp_path / "x.safetensors")
  told = r"not whole \(not a regular file\); make it again"
  with pytest.raises(InputError, match=told):
    _read(tmp_path / "x.safetensors")
