"""A small file system of a test's own, which gets full at will."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = os.sysconf("SC_PAGESIZE")
_PAGES, _INODES = 1 << 18, 1 << 16  # more than any command wants


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Path]:
  """A tmpfs at a new folder; skips the test where none can be mounted."""
  folder.mkdir()
  roomy = f"size={_PAGES * PAGE},nr_inodes={_INODES}"
  words = ["mount", "-t", "tmpfs", "-o", roomy, "tmpfs", str(folder)]
  try:
    done = subprocess.run(words, capture_output=True, text=True)
  except FileNotFoundError:
    pytest.skip("no command `mount`: a disk of a test's own needs it")
  if done.returncode:
    pytest.skip(
      f"a small disk cannot be mounted ({done.stderr.strip()}); run as root"
    )
  try:
    yield folder
  finally:
    subprocess.run(["umount", "-l", str(folder)], check=True)


def limit(
  folder: Path,
  *,
  pages: int | None = None,
  inodes: int | None = None,
  read_only: bool = False,
) -> None:
  """Leaves so many pages and inodes free; None: as many as are wanted."""
  used = usage(folder)
  size = _PAGES if pages is None else max(used.pages + pages, 1)
  count = _INODES if inodes is None else used.inodes + inodes
  words = f"remount,size={size * PAGE},nr_inodes={count}"
  words += ",ro" if read_only else ",rw"
  subprocess.run(["mount", "-o", words, str(folder)], check=True)


class Usage(NamedTuple):
  """What the files of a disk take."""

  pages: int
  inodes: int


def usage(folder: Path) -> Usage:
  """Of a disk that limit() has seen."""
  found = os.statvfs(folder)
  pages = (found.f_blocks - found.f_bfree) * found.f_frsize // PAGE
  return Usage(pages, found.f_files - found.f_ffree)
