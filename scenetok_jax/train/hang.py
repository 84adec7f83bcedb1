"""Names the process that keeps a run waiting, and ends the run."""

import contextlib
import ctypes
import faulthandler
import json
import multiprocessing
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self

import jax
from jax._src import distributed

from scenetok_jax.reading.shown import remark
from scenetok_jax.train.activity import Activity

WAITED = 69  # exit status (EX_UNAVAILABLE): another process is at fault
_KEYS = "scenetok/hang/"
_QUIET = 100.0  # ours: seconds without a sign of life that tell a death
_HOUR = 3600.0  # ours: for a phase that computes, such as a compilation
_LEAVE = 20.0  # seconds in which a process that failed says why
_BUSY = 0.05  # of a core; idle threads take a fifth of it
# Code that waits for other processes, or for the devices.
_WAITS = re.compile(
  r"/multihost(_utils\.py|/)|/signaling_client\.py|/distributed\.py:shutdown"
  r"|/jax/_src/(array|api)\.py:(_value|block)"
)
# What is said where another process has left: no fault of who says it.
_LOST = re.compile(
  r"gloo|nccl|barrier|\bpeer\b|remote process|coordination service|heartbeat"
  r"|DEADLINE_EXCEEDED|UNAVAILABLE",
  re.IGNORECASE,
)


class Report(NamedTuple):
  """What a process tells; idle: seconds without getting on."""

  host: str
  phase: str = "its start"
  number: int = 0
  waits: bool = False
  idle: float = 0.0
  beat: int = 0


def culprits(
  reports: Mapping[int, Report], silent: Collection[int]
) -> list[int]:
  """The silent ones, else those in the earliest phase that do not wait."""

  def order(rank: int) -> tuple[bool, int, bool]:
    return rank not in silent, reports[rank].number, reports[rank].waits

  first = min(map(order, reports))
  return [rank for rank in sorted(reports) if order(rank) == first]


def _waiting() -> bool:
  """Whether a thread of this process is in code that waits."""
  return any(
    _WAITS.search(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
    for top in sys._current_frames().values()
    for frame, _ in traceback.walk_stack(top)
  )


class HangWatch:
  """Ends this process once none of the run has got on for so many seconds.

  To get on is to call `activity.at`; whoever computes has an hour, unless
  another process gives no sign of life: 100 s at most, and a few where a
  collective failed, then end each that does not get on.
  Prints who is at fault, where, doing what, and stacks. 0 seconds: never. It
  counts its looks instead of time: a process that was stopped did not hang.
  """

  def __init__(self, seconds: float, activity: Activity) -> None:
    self._activity = activity
    self._seconds, self._quiet = seconds, min(seconds, _QUIET)
    # Shorter ones would count the look itself as work.
    self._pause = min(max(seconds / 10, 0.5), 5.0)
    self._still, self._waits, self._lost = 0.0, False, False
    self._over = threading.Event()
    self._seen, self._cpu = activity.place, time.process_time()
    self._failed = ""
    self._rank, self._count = jax.process_index(), jax.process_count()
    # GPUs and TPUs are waited for by asking again and again.
    self._spins = jax.default_backend() != "cpu"
    self._own = Report(socket.gethostname())
    self._reports, self._silent = {self._rank: self._own}, {self._rank: 0.0}
    self._client: Any = distributed.global_state.client
    self._address = str(distributed.global_state.coordinator_address)
    self._thread = threading.Thread(target=self._run, daemon=True)
    # JAX aborts where process 0 is gone; a handler of Python's would not run.
    self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._aborted)

  def __enter__(self) -> Self:
    if self._seconds > 0:
      if self._count > 1:
        self._exchange()  # who has none to show has ended well
        ctypes.CDLL(None).signal(signal.SIGABRT, self._handler)
      self._thread.start()
    return self

  def __exit__(self, kind: type | None, error: object, _: object) -> None:
    if kind is not None and self._count > 1:
      # Watched until it has ended: it may wait for a process that died, and the
      # others wait for it. JAX's own end would take minutes.
      self._lost = bool(_LOST.search(str(error)))
      self._failed = "" if self._lost else f" ({kind.__name__})"
      self._quiet = 3 * self._pause
      timer = threading.Timer(_LEAVE, os._exit, [2])
      timer.daemon = True
      timer.start()
    elif self._seconds > 0:
      self._over.set()
      self._thread.join(self._pause)
      if self._count > 1:
        ctypes.CDLL(None).signal(signal.SIGABRT, None)
        with contextlib.suppress(jax.errors.JaxRuntimeError):
          self._client.key_value_delete(f"{_KEYS}{self._rank}")

  def _run(self) -> None:
    while not self._over.wait(self._pause):
      self._look()
      if self._count > 1:
        # Process 0 keeps the reports.
        guard = threading.Timer(self._quiet, self._end, [{0}])
        guard.daemon = True
        guard.start()
        with contextlib.suppress(jax.errors.JaxRuntimeError):
          self._exchange()
        guard.cancel()
      silent = {r for r in self._reports if self._silent[r] >= self._quiet}
      idle = min(report.idle for report in self._reports.values())
      # Whoever waits for the dead may look busy: gloo spins on a closed socket.
      if self._still >= self._quiet if silent else idle >= self._seconds:
        self._end(silent)

  def _look(self) -> None:
    """Updates the own report."""
    place, cpu, old = self._activity.place, time.process_time(), self._own
    self._ask_stacks(same := place is self._seen)
    work = cpu - self._cpu > _BUSY * self._pause
    busy = work and not (self._waits and self._spins)
    idle = old.idle + self._pause * min(1, self._seconds / _HOUR if busy else 1)
    waits = self._waits or self._lost
    told = place[0] + self._failed, place[1], waits, idle if same else 0.0
    self._own = Report(old.host, *told, old.beat + 1)
    self._seen, self._cpu = place, cpu
    self._reports[self._rank] = self._own

  def _ask_stacks(self, same: bool) -> None:
    """Updates whether it waits; same: whether it is in the place of before.

    Seldom, and never while it gets on: CPython 3.11 may crash where a thread
    reads the frames of others that run.
    """
    if not same:
      self._still, self._waits = 0.0, False
      return
    every, before = self._quiet / 4, self._still
    self._still += self._pause
    if before // every < self._still // every:
      self._waits = _waiting()

  def _exchange(self) -> None:
    key, text = f"{_KEYS}{self._rank}", json.dumps(self._own)
    self._client.key_value_set(key, text, allow_overwrite=True)
    # Who gets on does not ask: of many hosts, it would be too often.
    rows = self._client.key_value_dir_get(_KEYS) if self._own.idle else []
    old, self._reports = self._reports, {self._rank: self._own}
    for key, text in rows:
      rank, report = int(key.removeprefix(_KEYS)), Report(*json.loads(text))
      self._reports[rank] = report
      same = rank != self._rank and old.get(rank) == report
      self._silent[rank] = self._silent[rank] + self._pause if same else 0.0

  def _aborted(self, number: int) -> None:
    """Names who is gone before C++ ends this process."""
    host, _, port = self._address.rpartition(":")
    try:
      socket.create_connection((host.strip("[]"), int(port)), 2).close()
    except OSError:
      self._end({0})
    # Gloo aborts where a peer died in a collective: the watch names it now, or
    # nobody is gone and the signal goes on.
    self._lost, self._quiet = True, 3 * self._pause
    time.sleep(2 * _LEAVE)

  def _end(self, silent: Collection[int]) -> None:
    """Prints one line and the stacks, and ends the process."""
    # Process 0 may have died before this one asked.
    first = self._own._replace(host=self._address.rpartition(":")[0])
    reports = dict.fromkeys(silent, first) | self._reports
    found = culprits(reports, silent)
    how = "gives no sign of life" if silent else "hangs"
    who = "; ".join(
      f"process {rank} on {reports[rank].host} {how} in {reports[rank].phase}"
      for rank in found
    )
    if len(found) == self._count > 1:
      who = f"all {self._count} processes wait in {self._own.phase}"
    why = f"{who} (train.hang_timeout={self._seconds:g} s); the same command"
    line = f"scenetok train: error: {why} goes on from the last checkpoint"
    remark(line)
    code = 2 if found == [self._rank] else WAITED
    # Reading stacks may crash, as _ask_stacks says: the status stays.
    self._crashed = ctypes.CFUNCTYPE(None, ctypes.c_int)(
      lambda number: os._exit(code)
    )
    ctypes.CDLL(None).signal(signal.SIGSEGV, self._crashed)
    faulthandler.dump_traceback(file=2)
    for child in multiprocessing.active_children():
      child.kill()
    if self._rank == 0 and self._count > 1:
      # JAX ends the others with its coordinator; they speak first.
      time.sleep(3 * self._pause + 2)
    os._exit(code)
