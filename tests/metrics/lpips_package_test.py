"""Pickled arrays are read; whatever would run code is refused."""

import os
import pickle

import numpy as np
import pytest

from scenetok_jax.metrics.lpips_package import (
  read_numpy_pickle,
  read_package_file,
)
from scenetok_jax.types import InputError


def _write(folder, value, protocol=4):
  path = folder / "weights.ckpt"
  path.write_bytes(pickle.dumps(value, protocol=protocol))
  return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "i8", "u1", "?"])
def test_arrays_come_back_whole(tmp_path, dtype, protocol):
  array = np.arange(24).reshape(2, 3, 4).astype(dtype)
  tree = {"a": {"b": array, "fortran": np.asfortranarray(array)}}
  if protocol == 2:
    # Protocol 2 stores bytes as text that is encoded by a function.
    with pytest.raises(InputError, match=r"_codecs\.encode"):
      read_numpy_pickle(_write(tmp_path, tree, protocol))
    return
  found = read_numpy_pickle(_write(tmp_path, tree, protocol))
  assert found["a/b"].dtype == array.dtype.newbyteorder("=")
  np.testing.assert_array_equal(found["a/b"], array)
  np.testing.assert_array_equal(found["a/fortran"], array)


class _Evil:
  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return os.system, (f"touch {self.path}",)


def test_code_is_refused_and_not_run(tmp_path):
  mark = tmp_path / "ran"
  path = _write(tmp_path, {"a": np.zeros(2), "b": _Evil(mark)})
  with pytest.raises(InputError, match=r"refused.*system"):
    read_numpy_pickle(path)
  assert not mark.exists()


@pytest.mark.parametrize(
  "value, reason",
  [
    ({"a": np.array([object()], dtype=object)}, "no array of numbers|refused"),
    ({"a": np.array(["text"])}, "no array of numbers"),
    ({"a": [1, 2]}, "a is no array of numbers"),
    ({"a": np.float32(1)}, "refused"),
    (np.zeros(3), "got .*ndarray"),
  ],
)
def test_other_objects_are_refused(tmp_path, value, reason):
  with pytest.raises(InputError, match=reason):
    read_numpy_pickle(_write(tmp_path, value))


def test_damaged_files_are_refused(tmp_path):
  path = _write(tmp_path, {"a": np.arange(1000.0)})
  path.write_bytes(path.read_bytes()[:-200])
  with pytest.raises(InputError, match="not a pickle of arrays"):
    read_numpy_pickle(path)
  path.write_bytes(b"not a pickle")
  with pytest.raises(InputError, match="fetch it again"):
    read_numpy_pickle(path)
  with pytest.raises(InputError, match="give a file"):
    read_numpy_pickle(tmp_path / "none.ckpt")


def test_arrays_of_another_network_are_refused(tmp_path):
  path = _write(tmp_path, {"AlexNet_0": {"Conv_0": {"bias": np.zeros(3)}}})
  with pytest.raises(InputError, match=r"NetLinLayer_0/.*not LPIPS-VGG"):
    read_package_file(path)
  heads = {
    f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.zeros((1, 1, 3, 1))}}
    for i in range(5)
  }
  vgg = {"VGG16_0": {"Conv_0": {"kernel": np.zeros(3)}}}
  path = _write(tmp_path, heads | vgg)
  with pytest.raises(InputError, match=r"Conv_0/kernel: .* array of 4 axes"):
    read_package_file(path)
