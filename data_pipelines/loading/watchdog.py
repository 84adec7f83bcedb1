"""Finds the data worker that keeps training waiting, and names it."""

import contextlib
import multiprocessing
import os
import pathlib
import queue
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from scenetok_jax.types import InputError

# Letters of /proc/PID/stat, for people.
_STATES = {
  "D": "waiting for the disk",
  "R": "running",
  "S": "asleep",
  "T": "stopped by a signal",
  "Z": "dead",
}


class StuckWorkerError(InputError):
  """No batch within the time limit; the message names the worker."""


class ActivityLog:
  """What every reading thread is doing, in files that outlive a hang.

  Pickles into worker processes. A thread has one small file, whose first line
  is empty while it waits for work.
  """

  def __init__(self, folder: str | None = None) -> None:
    self.folder = folder or tempfile.mkdtemp(prefix="scenetok_readers_")
    self._own = threading.local()
    if folder is None:
      # The process that made it removes it.
      weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

  def __reduce__(self) -> tuple[type, tuple[str]]:
    return ActivityLog, (self.folder,)

  @contextlib.contextmanager
  def doing(self, what: str) -> Iterator[None]:
    """Notes that this thread works on `what` until the block ends."""
    self._write(f"{time.time()} {what}")
    try:
      yield
    finally:
      self._write("")

  def busy(self) -> list[tuple[float, int, str]]:
    """(seconds, process, what) of the threads at work, longest first."""
    found = []
    for path in pathlib.Path(self.folder).glob("*"):
      with contextlib.suppress(OSError, ValueError):
        line, _, _ = path.read_text("utf-8").partition("\n")
        start, _, what = line.partition(" ")
        if start:
          age = time.time() - float(start)
          found.append((age, int(path.name.split(".")[0]), what))
    return sorted(found, reverse=True)

  def _write(self, line: str) -> None:
    # The folder is gone when the run is ending.
    with contextlib.suppress(OSError):
      if not hasattr(self._own, "file"):
        name = f"{os.getpid()}.{threading.get_ident()}"
        self._own.file = _LineFile(pathlib.Path(self.folder) / name)
      self._own.file.write(line)


class _LineFile:
  """A file whose first line is replaced, in one call of the system."""

  def __init__(self, path: pathlib.Path) -> None:
    self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    weakref.finalize(self, os.close, self._file)

  def write(self, line: str) -> None:
    """What a longer line leaves stands behind the first line's end."""
    os.pwrite(self._file, f"{line}\n".encode(), 0)


class TimedCall:
  """Calls a function in a thread of its own, and gives up after a while."""

  def __init__(
    self,
    call: Callable[[], Any],
    seconds: float,
    activity: ActivityLog,
    source: str,
  ) -> None:
    """Args: what to call; the limit; what its readers do; what they read."""
    self._call, self._seconds = call, seconds
    self._activity, self._source = activity, source
    self._asked: queue.Queue[bool] = queue.Queue()
    self._answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
    self._thread: threading.Thread | None = None

  def __call__(self) -> Any:
    """The call's result or exception.

    Raises:
      StuckWorkerError: neither came within the limit. Worker processes are
        killed then: they would keep this process from ending.
    """
    if self._thread is None:
      # A daemon: a call that never returns must not keep the process alive.
      self._thread = threading.Thread(target=self._serve, daemon=True)
      self._thread.start()
    self._asked.put(True)
    try:
      result, error = self._answers.get(timeout=self._seconds)
    except queue.Empty:
      message = self._explain()
      for child in multiprocessing.active_children():
        child.kill()
      raise StuckWorkerError(message) from None
    if error is not None:
      raise error
    return result

  def close(self) -> None:
    """Ends the thread once its call has returned."""
    self._asked.put(False)

  def _serve(self) -> None:
    while self._asked.get():
      try:
        self._answers.put((self._call(), None))
      except BaseException as error:
        self._answers.put((None, error))

  def _explain(self) -> str:
    busy = self._activity.busy()
    if busy:
      age, process, what = busy[0]
      who = (
        f"a reading thread of process {process}"
        if process == os.getpid()
        else f"data worker {process} ({_state(process)})"
      )
      reason = f"{who} has been at {what} for {age:.0f} s"
    else:
      states = ", ".join(
        f"{child.pid} ({_state(child.pid or 0)})"
        for child in multiprocessing.active_children()
      )
      reason = f"no worker has an example in hand; workers: {states or 'none'}"
    return (
      f"{self._source}: no batch for {self._seconds:.0f} s: {reason}; check"
      " the disk or file system there and start again; data.timeout is the"
      " limit"
    )


def _state(process: int) -> str:
  """What the kernel says of a process."""
  try:
    text = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
  except OSError:
    return "dead"
  letter = text.rpartition(")")[2].split()[0]
  return _STATES.get(letter, f"state {letter}")
