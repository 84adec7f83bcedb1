"""A folder that one run writes: what in it is whose, and who writes now."""

import contextlib
import fnmatch
import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypedDict

from scenetok_jax.disk import check_writable, remove_leftovers
from scenetok_jax.io import (
  kept,
  lock_file,
  new_folders,
  remove_empty,
  storage_reason,
  write_json,
)
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Text, checked
from scenetok_jax.types import InputError

LIST_FILE = ".scenetok.json"  # in OUT: names of the files that runs wrote


class _List(TypedDict):
  files: list[Annotated[str, Text(1, 4096)]]


class Output:
  """An open folder OUT; see `opened`.

  path: of the folder. Names are of files, relative to it.
  """

  def __init__(self, path: Path) -> None:
    """Reads the list of an earlier run, where there is one."""
    self.path = path
    self._own = set(_listed(path / LIST_FILE))
    self._new = set[str]()

  def claim(self, *names: str) -> list[Path]:
    """Lists files that will be written now; -> their paths.

    Raises InputError: one is there and no run has listed it, or it is outside.
    """
    for name in names:
      _check_inside(self.path, name)
    self.refuse_strangers(*(name for name in names if name not in self._own))
    if not self._own.issuperset(names):
      self._own.update(names)
      write_json(self.path / LIST_FILE, {"files": sorted(self._own)}, indent=0)
    self._new.update(names)
    return [self.path / name for name in names]

  def file(self, name: str, *, stays: bool = False) -> Path:
    """Claims one file; stays: when the disk is full, to go on from."""
    (path,) = self.claim(name)
    if stays:
      self._new.remove(name)
    return path

  def clear(self, *patterns: str) -> None:
    """Removes listed files whose names fit, and folders that this empties."""
    for name in sorted(self._own):
      if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
        continue
      path = self.path / name
      _check_inside(self.path, name)
      path.unlink(missing_ok=True)
      if path.parent != self.path:
        with contextlib.suppress(OSError):  # something else is in it
          path.parent.rmdir()

  def undo(self) -> None:
    """Removes what this run wrote, but for what it goes on from."""
    self.clear(*(glob.escape(name) for name in self._new))

  def tidy(self) -> None:
    """Removes a list of which no file is there."""
    if not any((self.path / name).exists() for name in self._own):
      (self.path / LIST_FILE).unlink(missing_ok=True)

  def refuse_strangers(self, *patterns: str) -> None:
    """InputError where files fit these and no run has listed them."""
    for pattern in patterns:
      for path in sorted(self.path.glob(pattern)):
        if path.relative_to(self.path).as_posix() not in self._own:
          raise InputError(
            f"{path}: --out: exists, and no earlier run wrote it"
            f" ({self.path / LIST_FILE} lists what they wrote); choose another"
            " --out, or move it away"
          )

  def remove_leftovers(self) -> None:
    """Removes the temporary files that killed runs left."""
    folders = {(self.path / name).parent for name in self._own}
    for folder in {self.path, *folders}:
      remove_leftovers(folder)


@contextlib.contextmanager
def opened(
  path: str | os.PathLike[str],
  patterns: Sequence[str] = (),
  sources: Mapping[str, Any] | None = None,
) -> Iterator[Output]:
  """Makes OUT where needed and holds it while the body runs.

  patterns: of the files that the run may write. sources: what the run reads,
  by the flag that names it.
  Raises InputError: it cannot be written, it is, holds or lies in a source,
  another run writes there, or files of these names are of no earlier run. A
  folder that was made and stays empty is removed again.
  """
  folder = Path(path)
  check_apart({"--out": folder}, sources or {})
  check_writable(folder)
  with kept(folder), contextlib.ExitStack() as stack:
    stack.callback(remove_empty, new_folders(folder))
    folder.mkdir(parents=True, exist_ok=True)
    stack.enter_context(lock(folder))
    found = Output(folder)
    found.refuse_strangers(*patterns)
    found.remove_leftovers()
    stack.callback(found.tidy)
    try:
      yield found
    except Exception as error:
      if storage_reason(error):
        found.undo()
      raise


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
  """Locks a folder; InputError when another process holds it.

  The lock ends with the process, however it ends.
  """
  handle = os.open(path, os.O_RDONLY)
  try:
    held = lock_file(handle, lacking=True)
    # Its owner may have finished while we looked.
    there = path.exists() and os.path.samestat(path.stat(), os.fstat(handle))
    if not held or not there:
      raise InputError(
        f"{path}: another process writes here; wait for it or choose another"
        " --out"
      )
    yield
  finally:
    os.close(handle)


def check_apart(
  outputs: Mapping[str, Any], sources: Mapping[str, Any], *, new: bool = False
) -> None:
  """InputError where an output is, holds or lies in a source.

  Both are paths, or lists of them, by the flag that gives them. new: files
  that are not there yet may lie in a source.
  """
  for flag, output in outputs.items():
    place = _resolved(output)
    for origin, given in sources.items():
      for text in given if isinstance(given, list | tuple) else [given]:
        source = _resolved(text)
        if place is None or source is None or not source.exists():
          continue
        lies = source in place.parents and (place.exists() or not new)
        if lies or place == source or place in source.parents:
          raise InputError(
            f"{output}: {flag}: is, holds or lies in what {origin}={text} is"
            " read from; choose another place"
          )


def _resolved(path: Any) -> Path | None:
  """The path without links; None for a text that cannot be one."""
  try:
    found = Path(path).resolve()
    found.exists()
  except (OSError, ValueError, TypeError, RuntimeError):
    return None
  return found


def _listed(file: Path) -> list[str]:
  """The names in a list; none where there is no list."""
  remedy = "delete it; the files that it listed are then nobody's"
  if not file.exists() and not file.is_symlink():
    return []
  return checked(read_json(file, remedy), _List, str(file), remedy)["files"]


def _check_inside(folder: Path, name: str) -> None:
  """InputError unless a name stays in its folder, links included."""
  pure = PurePosixPath(name)
  parent = (folder / pure).parent.resolve()
  if ".." in pure.parts or not parent.is_relative_to(folder.resolve()):
    raise InputError(f"{folder}: --out: {name!r} leaves it; choose another")
