"""A folder that one run writes: what in it is whose, and who writes now."""

import contextlib
import fnmatch
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypedDict

from scenetok_jax.disk import check_writable, remove_leftovers
from scenetok_jax.io import (
  kept,
  lock_file,
  new_folders,
  remove_empty,
  write_json,
)
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Text, checked
from scenetok_jax.types import InputError

LIST_FILE = ".scenetok.json"  # in OUT: names of the files that runs wrote
_ASIDE = ".scenetok-new"  # in OUT, which is locked: what has no place yet
_PLACING = "placing"  # in that, while names of `whole` get their places


class _List(TypedDict):
  files: list[Annotated[str, Text(1, 4096)]]


class Output:
  """An open folder OUT; see `opened`.

  What is claimed is written in a folder aside and gets its place, with all
  else that is new, when the run has succeeded: a full disk costs nothing that
  an earlier run wrote.

  path: of the folder. Names are of files, relative to it.
  """

  def __init__(self, path: Path) -> None:
    """Reads the list of an earlier run, where there is one."""
    self.path = path
    self._own = set(_listed(path / LIST_FILE))
    self._new = set[str]()
    self._old = set[str]()

  def claim(self, *names: str) -> list[Path]:
    """Paths aside, to write files of these names there.

    Raises InputError: one is there and no run has listed it, or it is outside.
    """
    for name in names:
      _check_inside(self.path, name)
    self.refuse_strangers(*(name for name in names if name not in self._own))
    self._new.update(names)
    paths = [self.path / _ASIDE / name for name in names]
    for folder in {path.parent for path in paths}:
      folder.mkdir(parents=True, exist_ok=True)
    return paths

  def file(self, name: str) -> Path:
    """Claims one file."""
    return self.claim(name)[0]

  def state(self, name: str) -> Path:
    """A file in OUT itself: what an interrupted run goes on from."""
    _check_inside(self.path, name)
    self.refuse_strangers(*({name} - self._own))
    self._list(name)
    return self.path / name

  def clear(self, *patterns: str) -> None:
    """Drops listed files whose names fit, and folders that this empties."""
    for name in sorted(self._own | self._new):
      if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
        _check_inside(self.path, name)
        self._old.update({name} & self._own)
        self._new.discard(name)

  def publish(self) -> None:
    """Gives what was written its place, and removes what was dropped."""
    aside = self.path / _ASIDE
    written = [n for n in sorted(self._new) if (aside / n).exists()]
    self._list(*written)
    for name in written:
      (self.path / name).parent.mkdir(parents=True, exist_ok=True)
    for name in written:
      (aside / name).replace(self.path / name)
    for name in sorted(self._old.difference(written)):
      path = self.path / name
      path.unlink(missing_ok=True)
      if path.parent != self.path:
        with contextlib.suppress(OSError):  # something else is in it
          path.parent.rmdir()
    self._new, self._old = set(), set()
    self.discard()

  def discard(self) -> None:
    """Removes what was written and has no place yet, of a killed run too."""
    _remove(self.path / _ASIDE)

  def _list(self, *names: str) -> None:
    """Lists files that will be written now."""
    if not self._own.issuperset(names):
      self._own.update(names)
      write_json(self.path / LIST_FILE, {"files": sorted(self._own)}, indent=0)

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
    """Removes what killed runs left."""
    self.discard()
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
  with _held(folder) as stack:
    found = Output(folder)
    found.refuse_strangers(*patterns)
    found.remove_leftovers()
    stack.callback(found.tidy)
    stack.callback(found.discard)
    yield found
    found.publish()


@contextlib.contextmanager
def whole(folder: Path, *names: str) -> Iterator[Path]:
  """Files and folders of these names come together or not at all.

  Yields a folder aside to write them in. They get their places in the order
  that is given, so the last says that all are there.
  Raises InputError: one is there already, another run writes there, or they
  cannot be written.
  """
  with _held(folder) as stack:
    aside, paths = folder / _ASIDE, [folder / name for name in names]
    if (aside / _PLACING).exists():  # by a killed run: these are its own
      for path in paths:
        _remove(path)
    for path in paths:
      if path.exists():
        raise InputError(f"{path}: exists; delete it or choose another --out")
    stack.callback(_remove, aside)
    _remove(aside)
    aside.mkdir()
    yield aside
    (aside / _PLACING).touch()
    try:
      for path in paths:
        if (aside / path.name).exists():
          (aside / path.name).replace(path)
    except OSError:
      for path in paths:
        _remove(path)
      raise


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[contextlib.ExitStack]:
  """Makes a folder where needed and locks it; yields what ends before that.

  Removes it again where it was made here and stays empty.
  """
  check_writable(folder)
  with kept(folder), contextlib.ExitStack() as stack:
    stack.callback(remove_empty, new_folders(folder))
    folder.mkdir(parents=True, exist_ok=True)
    stack.enter_context(lock(folder))
    yield stack


def _remove(path: Path) -> None:
  """Removes a file or a folder, if it is there."""
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path, ignore_errors=True)
  else:
    path.unlink(missing_ok=True)


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
