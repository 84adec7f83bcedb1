"""Archives of arrays are taken whole, and not at their word."""

import io
import zipfile

import numpy as np
import pytest

from scenetok_jax.reading.npz import read_npz


def saved(**arrays):
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  return buffer.getvalue()


def stored(name, data):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr(name, data)
  return buffer.getvalue()


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
  arrays = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "none": np.zeros((0, 4), ">f4"),
    "one": np.array(7, np.uint8),
    "texts": np.array(["x", "yz"]),
  }
  np.savez_compressed(tmp_path / "a.npz", **arrays)
  for found in (read_npz(tmp_path / "a.npz"), read_npz(saved(**arrays))):
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
      assert found[name].dtype == array.dtype
      assert np.array_equal(found[name], array)
      assert found[name].flags.writeable


_GOOD = saved(a=np.ones((2, 3), np.float32))


@pytest.mark.parametrize(
  "data",
  [
    b"", _GOOD[:-30], saved(a=np.array([{}], object)), stored("a.npy", b"a"),
    stored("a", b"plain bytes"), _GOOD.replace(b"(2, 3)", b"(2,-3)"),
  ],
)  # fmt: skip
def test_what_is_no_plain_array_is_refused(data):
  with pytest.raises(ValueError, match=r"^damaged: "):
    read_npz(data)


@pytest.mark.parametrize("shape", [(99_999_999_999, 3), (-2, -3), (2,)])
def test_a_header_does_not_decide_what_memory_is_taken(shape):
  data = io.BytesIO()
  header = {"descr": "<f4", "fortran_order": False, "shape": shape}
  np.lib.format.write_array_header_1_0(data, header)
  data.write(b"\0" * 24)
  with pytest.raises(ValueError, match="in 24 bytes"):
    read_npz(stored("a.npy", data.getvalue()))


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(FileNotFoundError):
    read_npz(tmp_path / "a.npz")
