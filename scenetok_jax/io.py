"""Files and values: atomic writes, JSON, uint8 <-> unit floats."""

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from scenetok_jax.types import InputError, explained

FREE = "free space there or choose another output"
MARK = ".scenetok-"  # in the names of temporary files, and nobody else's
STEM = 40  # characters of a file's name that its temporary file's begins with
TEMPORARY = re.compile(r"\..*\.scenetok-[0-9a-f]{12}(\.[^/]*)?")
_STORAGE = (
  errno.ENOSPC,
  errno.EDQUOT,
  errno.EFBIG,
  errno.EROFS,
  errno.EIO,
  errno.ENAMETOOLONG,
)


def locate(path: str | os.PathLike) -> Path:
  """A path of a file system, or of a bucket: gs://BUCKET/NAME.

  InputError for another scheme, and where the extra `gcs` is not installed.
  """
  scheme, found, _ = os.fspath(path).partition("://")
  if not found:
    return Path(path)
  if scheme != "gs":
    raise InputError(
      f"{path}: {scheme}:// holds no workdir, for Orbax saves to file systems"
      " and gs:// alone; give one of these"
    )
  # TensorFlow's own way to buckets lacks parts that its packages leave out.
  os.environ.setdefault("EPATH_USE_TF", "0")
  remedy = "pip install -e '.[gcs]', or mount it with gcsfuse"
  with explained(f"{path}: a bucket needs gcsfs", remedy, ImportError):
    import fsspec
    import gcsfs  # noqa: F401
  from etils import epath

  # Other processes write there, too.
  fsspec.config.conf.setdefault("gcs", {})["use_listings_cache"] = False
  return cast(Path, epath.Path(path))


def refused_url(name: str, url: object) -> str:
  """What to say where a flag or field takes paths of file systems alone."""
  return (
    f"{name}: {url}: a path of a file system is needed; stage it with"
    f" scenetok stage --data={url} --to=/local, or mount it with gcsfuse"
    " (docs/training_workdir.md)"
  )


def is_url(path: Path) -> bool:
  """Whether a path of locate is in a bucket."""
  return not isinstance(path, Path)


def absolute(path: str | os.PathLike) -> Path:
  """The absolute path of a file system; a bucket's is as it was."""
  found = locate(path)
  return found if is_url(found) else found.absolute()


@contextlib.contextmanager
def fetched(path: Path) -> Iterator[Path]:
  """A file as it is; of a bucket's, a copy while the body runs."""
  if not is_url(path):
    yield path
    return
  with tempfile.TemporaryDirectory() as folder:
    copy = Path(folder) / path.name
    copy.write_bytes(path.read_bytes())
    yield copy


@contextlib.contextmanager
def atomic_path(
  path: str | os.PathLike, *, sync: bool = False
) -> Iterator[Path]:
  """Yields a temporary path that becomes `path` when the body succeeds.

  Parent folders are made. The temporary file lies beside the final one and
  keeps its suffix; it is removed when the body raises, and remove_leftovers
  knows it after a kill. sync: waits until the bytes are on the disk, so that
  the new name never stands for an empty file after a crash of the machine.
  InputError where the file cannot be written, for instance on a full disk;
  other errors of the body, such as of a missing source, pass.
  """
  final = locate(path)
  if is_url(final):  # an object appears whole
    with tempfile.TemporaryDirectory() as folder:
      temporary = Path(folder) / final.name
      yield temporary
      with explained(f"{final}: cannot be written", FREE, Exception):
        final.write_bytes(temporary.read_bytes())
    return
  check_regular(final)
  temporary = temporary_name(final)
  with contextlib.ExitStack() as stack:
    stack.callback(remove_empty, new_folders(final.parent))
    with writing(final):
      final.parent.mkdir(parents=True, exist_ok=True)
      handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    stack.callback(temporary.unlink, missing_ok=True)
    stack.callback(os.close, handle)
    lock_file(handle)
    with writing(final, temporary):
      yield temporary
    with writing(final):
      if sync:
        os.fsync(handle)
      temporary.replace(final)


def temporary_name(final: Path) -> Path:
  """Beside the final file, with its suffix; remove_leftovers knows it."""
  name = f".{final.stem[:STEM]}{MARK}{uuid.uuid4().hex[:12]}{final.suffix}"
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
  that follow from it may hide it. A full standard output is another matter.
  """
  if getattr(error, "of_a_stream", False):  # streams.StreamError
    return ""
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


def lock_file(handle: int, *, lacking: bool = False) -> bool:
  """Locks an open file or folder until it is closed; False where another has.

  lacking: the answer on a file system without locks.
  """
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    return False
  except OSError:
    return lacking
  return True


def new_folders(folder: Path) -> list[Path]:
  """Folders that mkdir would make, the deepest first; see remove_empty."""
  return [path for path in (folder, *folder.parents) if not path.exists()]


def remove_empty(folders: Sequence[Path]) -> None:
  """Removes those that are empty."""
  for path in folders:
    with contextlib.suppress(OSError):
      path.rmdir()


def check_regular(file: Path, option: str = "") -> None:
  """InputError for what is no file or must not be replaced by one."""
  system = file.absolute().parts[:2]
  if system[1:] in (("dev",), ("proc",), ("sys",)) or (
    file.exists() and not file.is_file()
  ):
    kind = "a folder" if file.is_dir() else "not a regular file"
    raise InputError(f"{file}: {option}{kind}; give a file name")


def to_uint8(images: Any) -> Any:
  """float [0, 1] of any shape -> uint8, clipped and rounded to nearest.

  NaN becomes 0. A NumPy array gives one; a JAX array, traced or not, too.
  """
  xp = images.__array_namespace__()
  images = xp.nan_to_num(images.astype(np.float32))
  return xp.round(xp.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)


def to_unit(images: Any) -> Any:
  """uint8 of any shape -> float32 in [0, 1], NumPy or JAX as it came.

  The two differ in the last bit: XLA multiplies by the reciprocal of 255.
  """
  return images.astype(np.float32) / 255.0


def write_text(
  path: str | os.PathLike, text: str, *, sync: bool = False
) -> None:
  """Replaces a text file in one step; see atomic_path."""
  with atomic_path(path, sync=sync) as temporary:
    # Names of files need not be UTF-8.
    temporary.write_text(text, "utf-8", "backslashreplace")


def write_json(
  path: str | os.PathLike, value: Any, *, sync: bool = False, indent: int = 2
) -> None:
  """Writes a JSON file atomically; numbers that JSON lacks become null.

  NumPy and JAX scalars and arrays become plain numbers and lists.
  """
  text = json.dumps(to_plain(value), indent=indent, allow_nan=False)
  write_text(path, text + "\n", sync=sync)


def to_plain(value: Any, *, words: bool = False) -> Any:
  """A value as JSON holds it: lists, plain numbers, null for NaN and Inf.

  words: these become strings instead, which float() reads.
  """
  if isinstance(value, dict):
    return {str(k): to_plain(item, words=words) for k, item in value.items()}
  if isinstance(value, list | tuple):
    return [to_plain(item, words=words) for item in value]
  if isinstance(value, os.PathLike):
    return os.fspath(value)
  if hasattr(value, "__array__"):
    return to_plain(np.asarray(value).tolist(), words=words)
  if isinstance(value, float) and not math.isfinite(value):
    return str(value) if words else None
  return value


def gib(count: float) -> str:
  """Bytes in MiB or GiB."""
  size = 1 << 30
  if count < 0.01 * size:
    return f"{count / (1 << 20):.2f} MiB"
  return f"{count / size:.2f} GiB"
