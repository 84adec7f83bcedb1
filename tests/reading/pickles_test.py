"""Pickles that would take gigabytes are refused by both readers of pickles."""

import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data_pipelines.sources.torch_chunks import Chunk
from scenetok_jax.metrics.lpips_package import read_numpy_pickle
from scenetok_jax.reading.pickles import check_pickle
from scenetok_jax.types import InputError

_GREEDY = [
  b"\x80\x02]r\xff\xff\xff\x7f.",  # LONG_BINPUT 2147483647
  b"\x80\x02]r\x00\x00\x00\x10.",
  b"]p99999999\n.",  # PUT
  b"]p-1\n.",
  b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\x00\x00.",  # BINBYTES8
  b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\x00\x00N.",  # FRAME
]


@pytest.fixture(autouse=True)
def _little_memory():
  pages = Path("/proc/self/statm").read_text().split()[0]
  used = int(pages) * resource.getpagesize()
  old = resource.getrlimit(resource.RLIMIT_AS)
  resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), old[1]))
  yield
  resource.setrlimit(resource.RLIMIT_AS, old)


@pytest.mark.parametrize("data", _GREEDY, ids=range(len(_GREEDY)))
def test_greedy_pickles_are_refused(tmp_path, data):
  if data is not _GREEDY[-1]:  # a frame is as long as it is read
    with pytest.raises(ValueError):
      check_pickle(data)
  path = tmp_path / "x.torch"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("x/data.pkl", data)
  with pytest.raises(InputError, match=r"x\.torch: data\.pkl cannot be read"):
    Chunk(path)
  path = tmp_path / "x.ckpt"
  path.write_bytes(data)
  with pytest.raises(InputError, match=r"x\.ckpt: not a pickle of arrays"):
    read_numpy_pickle(path)


class _Call:
  def __init__(self, function, *arguments):
    self._call = function, arguments

  def __reduce__(self):
    return self._call


@pytest.mark.parametrize(
  "value",
  [
    _Call(np.ndarray, (1 << 40,)),
    _Call(np.empty(0).__reduce__()[0], np.ndarray, (1 << 40,), b"b"),
  ],
  ids=["ndarray", "reconstruct"],
)
def test_arrays_are_no_larger_than_their_bytes(tmp_path, value):
  path = tmp_path / "x.ckpt"
  path.write_bytes(pickle.dumps({"a": value}))
  try:
    found = read_numpy_pickle(path)["a"].size
  except InputError:
    found = 0
  assert found == 0


def test_sound_pickles_are_read(tmp_path):
  path = tmp_path / "x.ckpt"
  arrays = {"a": {"b": np.arange(6.0).reshape(2, 3)}, "c": np.ones(2, int)}
  for protocol in (3, 4):
    path.write_bytes(pickle.dumps(arrays, protocol))
    found = read_numpy_pickle(path)
    np.testing.assert_array_equal(found["a/b"], arrays["a"]["b"])
    np.testing.assert_array_equal(found["c"], arrays["c"])
