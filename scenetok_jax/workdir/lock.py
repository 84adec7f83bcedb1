"""A run's folder: one live run at a time."""

import contextlib
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator

from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.types import InputError

LOCK_FILE = "run.lock"
_HELD: set[int] = set()  # descriptors of locks


def make_folder(folder: pathlib.Path) -> None:
  """Makes the workdir, or raises InputError saying why it cannot."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(
      f"{folder}: the workdir cannot be made ({error.strerror}); choose"
      " another --workdir"
    ) from error


@contextlib.contextmanager
def lock(workdir: str | os.PathLike[str]) -> Iterator[None]:
  """Keeps a second live run out of the workdir.

  The lead holds an flock, which the kernel drops however the process ends:
  a lock file left by a dead run is simply taken over. InputError where another
  live process holds it, or the folder cannot be written.
  """
  if not is_lead():
    yield
    return
  folder = pathlib.Path(workdir)
  make_folder(folder)
  path = folder / LOCK_FILE
  try:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
  except OSError as error:
    raise InputError(
      f"{path}: cannot be written ({error.strerror}); choose another --workdir"
    ) from error
  _HELD.add(handle)
  try:
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise InputError(
        f"{path}: workdir in use by {_holder(path)}; wait for that run to end,"
        " or use another --workdir"
      ) from error
    owner = {"pid": os.getpid(), "host": socket.gethostname()}
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(owner).encode())
    yield
  finally:
    _HELD.discard(handle)
    os.close(handle)


def _holder(path: pathlib.Path) -> str:
  try:
    owner = json.loads(path.read_text())
    return f"process {owner['pid']} on {owner['host']}"
  except (OSError, ValueError, KeyError, TypeError):
    return "another process"


def _close_in_child() -> None:
  """Forked data workers would keep the lock alive after a killed run."""
  for handle in _HELD:
    with contextlib.suppress(OSError):
      os.close(handle)
  _HELD.clear()


os.register_at_fork(after_in_child=_close_in_child)
