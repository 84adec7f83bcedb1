"""What a disk refuses, and temporary files that a kill leaves behind."""

import contextlib
import errno
import fcntl
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from scenetok_jax.types import InputError, explained

FREE = "free space there or choose another output"
_MARK = ".scenetok-"  # in the names of temporary files, and nobody else's
_TEMPORARY = re.compile(r"\..*\.scenetok-[0-9a-f]{12}(\.[^/]*)?")
_STORAGE = (
  errno.ENOSPC,
  errno.EDQUOT,
  errno.EFBIG,
  errno.EROFS,
  errno.EIO,
  errno.ENAMETOOLONG,
)


def temporary_name(final: Path) -> Path:
  """Beside the final file, with its suffix; remove_leftovers knows it."""
  name = f".{final.stem[:40]}{_MARK}{uuid.uuid4().hex[:12]}{final.suffix}"
  return final.with_name(name)


@contextlib.contextmanager
def writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
  """InputError "PATH: cannot be written" for errors of storage in the body.

  temporary: what the body writes; only errors that name it, or that only a
  writer meets, are taken for errors of writing. None: all OSErrors are.
  """
  try:
    yield
  except OSError as error:
    own = temporary is None or error.filename == os.fspath(temporary)
    if not own and not storage_reason(error):
      raise
    with explained(f"{path}: cannot be written", FREE, OSError):
      raise


def storage_reason(error: BaseException | None) -> str:
  """Why a disk refused: full, broken or read-only; "" for other errors.

  Orbax, TensorStore and ArrayRecord say so by their texts alone, and errors
  that follow from it may hide it.
  """
  seen = set[int]()
  while error is not None and id(error) not in seen:
    seen.add(id(error))
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    for known in _STORAGE:
      if known == number or os.strerror(known) in text:
        return os.strerror(known)
    error = error.__cause__ or error.__context__
  return ""


def remove_leftovers(folder: Path) -> None:
  """Removes temporary files of atomic_path whose processes were killed."""
  for path in folder.glob(f".*{_MARK}*"):
    if not _TEMPORARY.fullmatch(path.name) or path.is_symlink():
      continue
    with contextlib.suppress(OSError):
      handle = os.open(path, os.O_RDONLY)
      try:
        if lock_file(handle):
          path.unlink()
      finally:
        os.close(handle)


def lock_file(handle: int) -> bool:
  """Locks an open file as its writer does; False where another has it."""
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:  # held, or a file system without locks
    return False
  return True


def check_regular(file: Path, option: str = "") -> None:
  """InputError for what is no file or must not be replaced by one."""
  system = file.absolute().parts[:2]
  if system[1:] in (("dev",), ("proc",), ("sys",)) or (
    file.exists() and not file.is_file()
  ):
    kind = "a folder" if file.is_dir() else "not a regular file"
    raise InputError(f"{file}: {option}{kind}; give a file name")


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
  """The same for a file that will be written."""
  check_regular(file, f"{option}: ")
  check_writable(file.parent, option)


@contextlib.contextmanager
def kept(path: str | os.PathLike[str]) -> Iterator[None]:
  """InputError for errors of storage in the body, whoever raises them."""
  try:
    yield
  except InputError:
    raise
  except Exception as error:
    if reason := storage_reason(error):
      where = os.fspath(path)
      raise InputError(
        f"{where}: cannot be written ({reason}); {FREE}"
      ) from error
    raise
