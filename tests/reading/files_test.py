"""What is no regular file is refused at once."""

import os
import socket

import pytest

from scenetok_jax.reading import files


def test_fifos_devices_and_folders_are_refused(tmp_path):
  os.mkfifo(tmp_path / "fifo")
  with socket.socket(socket.AF_UNIX) as server:
    server.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for path in ("fifo", "link", "socket", "/dev/zero", "."):
      with pytest.raises(OSError):
        files.open_file(tmp_path / path)
  before = len(os.listdir("/proc/self/fd"))
  for _ in range(10):
    with pytest.raises(OSError, match="not a regular file"):
      files.read_bytes(tmp_path / "fifo", 10)
  assert len(os.listdir("/proc/self/fd")) == before


def test_bytes_up_to_the_limit(tmp_path):
  path = tmp_path / "x"
  path.write_bytes(b"12345")
  assert files.read_bytes(path, 5) == b"12345"
  with pytest.raises(OSError, match="larger than 4 bytes"):
    files.read_bytes(path, 4)
