"""A run's folder: one live run at a time."""

import contextlib
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jax

from scenetok_jax.io import is_url, kept, locate, write_json
from scenetok_jax.parallel.runtime import gather_bytes, is_lead
from scenetok_jax.reading.files import read_bytes
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.shown import escaped, remark
from scenetok_jax.types import InputError, explained

LOCK_FILE = "run.lock"
BEAT = 10.0  # seconds between two renewals of a lease
EXPIRED = 60.0  # a lease that nobody renews for so long is free
# Who has a lease that is cut off, or by nobody.
_MOST_BYTES = 1 << 16
_UNKNOWN = {"owner": "", "pid": "?", "host": "?", "machine": ""}


class LeaseLostError(InputError):
  """Another run has the workdir: nothing more may be written there."""


def make_folder(folder: pathlib.Path) -> None:
  """Makes a workdir, or raises InputError saying why it cannot."""
  if is_url(folder):
    return  # a bucket has no folders
  problem = f"{folder}: the workdir cannot be made"
  with explained(problem, "choose another --workdir", OSError), kept(folder):
    folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def lock(workdir: str | os.PathLike[str]) -> Iterator[Callable[[], None]]:
  """Keeps a second live run out of the workdir, by a lease that is renewed.

  Buckets and some mounts have no flock. A lease is free when it was released,
  when its process was of this machine and is dead, or when it is seen
  unchanged for EXPIRED seconds. InputError where a live run holds it, or the
  folder cannot be written.

  Yields a function to call before writing: it raises LeaseLostError where
  another run has taken the lease.
  """
  folder, lease = locate(workdir), None
  if is_lead():
    make_folder(folder)
    check_free(folder)
    lease = _Lease(folder / LOCK_FILE)
  try:
    _check_seen(folder / LOCK_FILE)
    yield lease.check if lease else lambda: None
  finally:
    if lease:
      lease.release()


def _check_seen(path: pathlib.Path) -> None:
  """InputError on every process where one does not see the lead's lease."""
  if jax.process_count() == 1:
    return
  owner = gather_bytes(_read(path).get("owner", "").encode())[0].decode()
  start, seen = time.monotonic(), False
  # A file system of the network may show it late.
  while not seen and time.monotonic() - start < EXPIRED:
    seen = _read(path).get("owner") == owner
    time.sleep(0 if seen else BEAT / 20)
  here = "" if seen else f"{socket.gethostname()} ({path.parent})"
  blind = [name.decode() for name in gather_bytes(here.encode()) if name]
  if blind:
    raise InputError(
      f"--workdir: {', '.join(blind)} does not see the workdir of the lead;"
      " give one that all hosts mount, or gs://BUCKET/NAME"
    )


def check_free(workdir: str | os.PathLike[str]) -> None:
  """Returns when no live run holds the workdir; InputError where one does.

  Waits up to EXPIRED seconds for a sign of life of another machine's process.
  """
  path = locate(workdir) / LOCK_FILE
  first, start, told = _read(path), time.monotonic(), False
  while held := _read(path):
    alive, waited = None, time.monotonic() - start
    if held["machine"] and held["machine"] == _machine():
      # Its number may have gone to another process since.
      alive = _started(held["pid"]) == held["started"]
    # A killed process takes a moment to die.
    if (alive and waited > 1) or (alive is None and held != first):
      raise _in_use(path, held)
    if alive is False or waited > EXPIRED:
      return
    if alive is None and not told:
      by = f"process {held['pid']} on {escaped(held['host'])}"
      remark(f"{path}: held by {by}; waiting whether it lives")
      told = True
    time.sleep(BEAT / 50)


class _Lease:
  """The lease file of this process, renewed by a thread."""

  def __init__(self, path: pathlib.Path) -> None:
    """Takes it; InputError where another process takes it just now."""
    self._path, self._lost_to = path, dict[str, Any]()
    self._mine = {
      "owner": uuid.uuid4().hex,
      "pid": os.getpid(),
      "host": socket.gethostname(),
      "machine": _machine(),
      "started": _started(os.getpid()),
    }
    start = time.monotonic()
    self._write()
    # Who looked when we did has written by then: the last one has it.
    time.sleep(max(0.05, 10 * (time.monotonic() - start)))
    self._renew()
    if self._lost_to:
      raise _in_use(path, self._lost_to)
    self._ended = threading.Event()
    self._thread = threading.Thread(target=self._keep, daemon=True)
    self._thread.start()

  def check(self) -> None:
    """Raises LeaseLostError where another run has the lease."""
    # Older than that, this process was stopped: others may have taken over.
    if time.time() - self._looked > EXPIRED / 2:
      with contextlib.suppress(Exception):
        self._renew()
    if held := self._lost_to:
      raise LeaseLostError(
        f"{self._path}: process {held['pid']} on {held['host']} has taken over"
        " the workdir while this one gave no sign of life; it goes on alone"
      )

  def release(self) -> None:
    self._ended.set()
    self._thread.join(BEAT)
    with contextlib.suppress(Exception):
      if _read(self._path).get("owner") == self._mine["owner"]:
        self._path.unlink()

  def _keep(self) -> None:
    while not self._lost_to and not self._ended.wait(BEAT):
      # What the storage refuses now it may take at the next beat.
      with contextlib.suppress(Exception):
        self._renew()

  def _renew(self) -> None:
    held = _read(self._path)
    if held and held["owner"] not in ("", self._mine["owner"]):
      self._lost_to = held
    else:
      self._write()

  def _write(self) -> None:
    self._looked = time.time()
    # Always as long: a bucket's reader asks for the size first.
    beat = f"{self._looked:.3f}"
    write_json(self._path, self._mine | {"beat": beat})


def _read(path: pathlib.Path) -> dict[str, Any]:
  """What a lease says; empty where nobody has one."""
  remedy = "check the name and your access"
  with explained(f"{path}: cannot be read", remedy, Exception):
    try:
      found = parse(read_bytes(path, _MOST_BYTES), str(path))
    except FileNotFoundError:
      return {}
    except InputError:  # cut off, or by nobody: it is no free one
      return _UNKNOWN
  if "owner" not in found:  # an older run's, of an flock
    return {}
  held = {"machine": "", "started": ""} | found
  words = [held.get(name) for name in ("owner", "host", "machine", "started")]
  whole = all(isinstance(word, str) for word in words)
  return held if whole and type(held.get("pid")) is int else _UNKNOWN


def _in_use(path: pathlib.Path, held: dict[str, Any]) -> InputError:
  return InputError(
    f"{path}: workdir in use by process {held['pid']} on {held['host']}; wait"
    " for that run to end, or use another --workdir"
  )


def _machine() -> str:
  """Where process numbers mean the same; "" where nobody can know."""
  try:
    boot = (
      pathlib.Path("/proc/sys/kernel/random/boot_id")
      .read_text(encoding="utf-8")
      .strip()
    )
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"
  except OSError:
    return ""


def _started(pid: int) -> str:
  """When a process was started, in ticks since boot; "" where it is dead."""
  try:
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
  except OSError:
    return ""
  # Its name, in brackets, may hold anything.
  state, *fields = text.rpartition(")")[2].split()
  return "" if state in "ZX" else fields[18]
