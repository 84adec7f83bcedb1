"""Files appear whole, and bytes and unit floats are each other's inverse."""

import errno
import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax import io, outputs
from scenetok_jax.types import InputError

LEVELS = np.arange(256, dtype=np.uint8)


def test_to_uint8_rounds_and_clips():
  values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])
  expected = [0, 0, 128, 255, 255, 0]
  np.testing.assert_array_equal(io.to_uint8(values), expected)
  for convert in (io.to_uint8, jax.jit(io.to_uint8)):
    found = convert(jnp.asarray(values))
    assert isinstance(found, jax.Array)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_bytes_come_back_from_unit_floats(array):
  unit = io.to_unit(array(LEVELS))
  assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1
  np.testing.assert_array_equal(io.to_uint8(unit), LEVELS)


@pytest.mark.parametrize("sync", [False, True])
def test_json_is_whole_or_as_before(tmp_path, sync):
  path = tmp_path / "new" / "a.json"
  io.write_json(path, {"a": np.float32(0.5), "b": [np.nan]}, sync=sync)
  assert json.loads(path.read_text()) == {"a": 0.5, "b": [None]}
  with pytest.raises(TypeError):
    io.write_json(path, {"a": object()}, sync=sync)
  assert os.listdir(path.parent) == ["a.json"]


def test_a_full_disk_is_told_in_a_line(tmp_path, monkeypatch):
  def full(descriptor):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(os, "fsync", full)
  with pytest.raises(InputError, match=r"a\.txt: cannot be written \(No space"):
    io.write_text(tmp_path / "a.txt", "text", sync=True)
  assert not os.listdir(tmp_path)


def test_failed_write_keeps_the_old_file(tmp_path):
  path = tmp_path / "a.txt"
  path.write_text("old")
  with pytest.raises(RuntimeError), io.atomic_path(path) as temporary:
    temporary.write_text("half")
    raise RuntimeError
  assert path.read_text() == "old"
  assert list(tmp_path.iterdir()) == [path]


def test_a_body_s_missing_source_is_not_an_error_of_writing(tmp_path):
  with pytest.raises(FileNotFoundError), io.atomic_path(tmp_path / "a") as file:
    file.write_bytes((tmp_path / "missing").read_bytes())
  assert not os.listdir(tmp_path)


@pytest.mark.parametrize("size", [0, 4096, 100_000])
def test_a_disk_that_fills_leaves_nothing(size, tmp_path):
  program = """
import resource, sys
from scenetok_jax import io, outputs
from scenetok_jax.types import InputError
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
  with io.atomic_path(sys.argv[1]) as file:
    file.write_bytes(bytes(200_000))
except InputError as error:
  sys.exit(str(error))
"""
  path = tmp_path / "new" / "a.bin"
  command = [sys.executable, "-c", program, str(path), str(size)]
  ended = subprocess.run(command, check=False, capture_output=True, text=True)
  assert f"{path}: cannot be written (File too large)" in ended.stderr
  assert ended.returncode == 1 and not os.listdir(tmp_path)


def test_a_lock_is_of_one_and_what_lacks_locks_is_told(tmp_path, monkeypatch):
  file = tmp_path / "file"
  file.touch()
  with file.open() as one, file.open() as other:
    assert io.lock_file(one.fileno())
    assert not io.lock_file(other.fileno(), lacking=True)  # held
  with file.open() as other:
    assert io.lock_file(other.fileno())

  def lacking(*_):
    raise OSError(errno.ENOTSUP, "no locks")

  monkeypatch.setattr(io.fcntl, "flock", lacking)
  with file.open() as one:
    assert not io.lock_file(one.fileno())
    assert io.lock_file(one.fileno(), lacking=True)
  with outputs.lock(tmp_path):
    pass
