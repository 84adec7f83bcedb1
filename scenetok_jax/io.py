"""Files and values: atomic writes, JSON, uint8 <-> unit floats."""

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.types import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
  """Yields a temporary path that becomes `path` when the body succeeds.

  Parent folders are made. The temporary file lies beside the final one and
  keeps its suffix; it is removed when the body raises.

  Raises:
    InputError: the file cannot be written there.
  """
  final = Path(path)
  try:
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
      suffix=final.suffix, prefix=f".{final.stem}-", dir=final.parent
    )
    os.close(handle)
  except OSError as error:
    raise InputError(
      f"{final}: cannot be written ({error.strerror}); choose another output"
    ) from error
  temporary = Path(name)
  try:
    yield temporary
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(final)
  finally:
    temporary.unlink(missing_ok=True)


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask


def check_writable(out: Path, option: str = "--out") -> None:
  """Raises InputError now rather than after an hour of rendering."""
  if out.exists() and not out.is_dir():
    raise InputError(
      f"{out}: {option}: a file of that name exists; choose another"
    )
  with atomic_path(out / "probe.txt") as temporary:
    temporary.write_text("")
  (out / "probe.txt").unlink(missing_ok=True)


def check_file(file: Path, option: str) -> None:
  """The same for a file that will be written."""
  if file.is_dir():
    raise InputError(f"{file}: {option}: a folder; give a file name")
  check_writable(file.parent, option)


def to_uint8(image: np.ndarray) -> np.ndarray:
  """float [0, 1] of any shape -> uint8, clipped and rounded to nearest."""
  image = np.nan_to_num(np.asarray(image, np.float32))
  return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes a JSON file atomically; numbers that JSON lacks become null.

  NumPy and JAX scalars and arrays become plain numbers and lists.
  """
  text = json.dumps(to_plain(value), indent=2, allow_nan=False)
  with atomic_path(path) as temporary:
    temporary.write_text(text + "\n")


def to_plain(value: Any) -> Any:
  """A value as JSON holds it: lists, plain numbers, null for NaN and Inf."""
  if isinstance(value, dict):
    return {str(key): to_plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [to_plain(item) for item in value]
  if isinstance(value, os.PathLike):
    return os.fspath(value)
  if hasattr(value, "__array__"):
    return to_plain(np.asarray(value).tolist())
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
