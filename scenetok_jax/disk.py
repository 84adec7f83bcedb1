"""What a disk refuses, and temporary files that a kill leaves behind."""

import contextlib
import glob
import os
import tempfile
from pathlib import Path

from scenetok_jax.io import (
  FREE,
  MARK,
  STEM,
  TEMPORARY,
  check_regular,
  lock_file,
  temporary_name,
)
from scenetok_jax.types import InputError, explained


def remove_leftovers(folder: Path, stem: str | None = None) -> None:
  """Removes temporary files of atomic_path whose processes were killed.

  stem: only those of files that are called so.
  """
  name = "*" if stem is None else glob.escape(stem[:STEM])
  for path in folder.glob(f".{name}{MARK}*"):
    if not TEMPORARY.fullmatch(path.name) or path.is_symlink():
      continue
    with contextlib.suppress(OSError):
      handle = os.open(path, os.O_RDONLY)
      try:
        if lock_file(handle):
          path.unlink()
      finally:
        os.close(handle)


def check_writable(out: Path, option: str = "--out") -> None:
  """Raises InputError now rather than after an hour of rendering.

  Makes nothing that has a name: neither the folder nor a file in it. A path of
  a bucket gets an object for a moment.
  """
  if not isinstance(out, Path):
    with explained(f"{out}: {option}: cannot be written", FREE, Exception):
      probe = temporary_name(out / "probe")
      probe.write_bytes(b"")
      probe.unlink()
    return
  above = next(p for p in (out, *out.absolute().parents) if _there(p))
  if not above.is_dir():
    what = f"cannot be written, for {above} is a file"
    if above == out:
      what = "a file of that name exists"
    raise InputError(f"{out}: {option}: {what}; choose another")
  problem = f"{out}: {option}: cannot be written"
  with (
    explained(problem, FREE, OSError),
    tempfile.TemporaryFile(dir=above) as probe,
  ):
    probe.write(b"0" * 4096)
    probe.flush()


def _there(path: Path) -> bool:
  """Whether a path exists; a name that no file can have does not."""
  try:
    return path.exists() or path.is_symlink()
  except (OSError, ValueError):
    return False


def check_file(file: Path, option: str) -> None:
  """The same for a file that will be written.

  What killed runs left of it is removed.
  """
  check_regular(file, f"{option}: ")
  check_writable(file.parent, option)
  remove_leftovers(file.parent, file.stem)
