"""Torch's files that would take memory, wait or lie are refused in one line."""

import os
import zipfile

import pytest

from scenetok_jax.convert.reader import read_shapes, read_step, read_tensors
from scenetok_jax.reading.torch_files import check_torch_file
from scenetok_jax.types import InputError

torch = pytest.importorskip("torch")
_TERABYTE = b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."


def _refused(path, told):
  for read in (read_tensors, read_shapes, read_step):
    with pytest.raises(InputError, match=told):
      read(path)


@pytest.mark.parametrize("module", [b"builtins", b"__builtin__"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_fills_memory_is_refused(tmp_path, module, zipped):
  data = b"\x80\x02c" + module + b"\nbytearray\n" + _TERABYTE
  path = tmp_path / "x.ckpt"
  if zipped:
    with zipfile.ZipFile(path, "w") as archive:
      archive.writestr("archive/data.pkl", data)
      archive.writestr("archive/version", "3\n")
  else:
    path.write_bytes(data)
  _refused(path, rf"unpickling it would call {module.decode()}\.bytearray")


def test_a_compressed_member_larger_than_the_file_is_refused(tmp_path):
  path = tmp_path / "x.ckpt"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("archive/data.pkl", b"\x80\x02N." + bytes(1 << 20))
  _refused(path, r"archive/data\.pkl claims 1,048,580 bytes")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_larger_than_their_file_are_refused(tmp_path, zipped):
  path = tmp_path / "x.ckpt"
  state = {"x": torch.ones(1).expand(1 << 20)}
  torch.save(state, path, _use_new_zipfile_serialization=zipped)
  with pytest.raises(InputError, match="its tensors claim 4,194,304 bytes"):
    read_tensors(path)
  assert read_shapes(path) == {"x": (1 << 20,)}, "which takes no memory"


def test_a_fifo_is_refused_without_waiting(tmp_path):
  os.mkfifo(tmp_path / "x.ckpt")
  _refused(tmp_path / "x.ckpt", "not a regular file")


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_s_own_files_pass(tmp_path, zipped):
  path = tmp_path / "x.ckpt"
  state = {"x": torch.ones(3), "n": torch.zeros(2, 2, dtype=torch.bfloat16)}
  torch.save(state, path, _use_new_zipfile_serialization=zipped)
  check_torch_file(path)
