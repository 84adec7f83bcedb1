"""Runs the ranks of a job on this machine; launch/local.sh calls it.

  python launch/ranks.py COUNT DEVICES PORT GRACE COMMAND...

Each rank is a session of its own: what a terminal or a scheduler sends to the
launcher's process group reaches the launcher alone, which hands it on as one
SIGTERM each. The launcher reads the ranks' output itself and goes on reading
when nobody reads its own, so no rank ever writes into a broken pipe. A rank
whose launcher was killed gets SIGTERM from the kernel.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO

_PDEATHSIG = 1  # prctl: the signal that a process gets when its parent dies
_PREEMPTED = 75  # a rank that saved; the others saved the same step
_WAITED = 69  # a rank that waited for another one in vain
_ABORTED = -signal.SIGABRT  # JAX ends a rank so, mostly because of another one
_LOOK_SECONDS = 0.1
_SAME_REQUEST_SECONDS = 1.0  # a scheduler signals both process and group


class Job:
  """The running ranks, and how they are to end."""

  def __init__(self, count: int, grace: float):
    self.count = count
    self.status = 0
    self._grace = grace
    self._running: dict[int, subprocess.Popen[bytes]] = {}
    self._readers: list[threading.Thread] = []
    self._asked = 0.0  # when somebody first asked for the end
    self._deadline = float("inf")
    self._in_vain = self._told = False
    self._suspect = ""  # who aborted first; at fault if nobody else is

  def start(self, command: list[str], devices: str, port: str) -> None:
    for rank in range(self.count):
      settings = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": devices,
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": str(self.count),
        "JAX_PROCESS_ID": str(rank),
      }
      process = subprocess.Popen(
        command,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent,
      )
      self._running[rank] = process
    # Threads only now: preexec_fn is unsafe beside them.
    for rank, process in self._running.items():
      for source, sink in ((process.stdout, 1), (process.stderr, 2)):
        assert source is not None
        reader = threading.Thread(
          target=_copy, args=(source, sink, f"[{rank}] ".encode()), daemon=True
        )
        reader.start()
        self._readers.append(reader)

  def ask(self, number: int, _: object = None) -> None:
    """A signal to the launcher: the ranks save; at a second Ctrl-C they die."""
    now = time.monotonic()
    again = self._asked and now - self._asked > _SAME_REQUEST_SECONDS
    if number == signal.SIGINT and again:
      self._deadline = now
    elif not self._asked:
      self._asked = now
      self._end()

  def wait(self) -> int:
    """The status of the rank that failed first, or 0."""
    while self._running:
      looked = [(r, p, p.poll()) for r, p in self._running.items()]
      ended = [(r, p, code) for r, p, code in looked if code is not None]
      # Who ends because of another may be seen at the same time.
      for found in sorted(ended, key=lambda x: x[2] in (_ABORTED, _WAITED)):
        self._ended(*found)
      if time.monotonic() > self._deadline:
        for process in self._running.values():
          _signal(process, signal.SIGKILL)
      time.sleep(_LOOK_SECONDS)
    for reader in self._readers:
      # What a rank left behind, such as a data worker, may hold its pipe.
      reader.join(timeout=1.0)
    if self._in_vain and not self._told:
      self._tell(self._suspect or "all processes waited for each other")
    return self.status

  def _ended(
    self, rank: int, process: subprocess.Popen[bytes], code: int
  ) -> None:
    del self._running[rank]
    _signal(process, signal.SIGKILL)  # its workers, if any are left
    if self._in_vain and code not in (_WAITED, _ABORTED, _PREEMPTED, 0):
      self._tell(f"process {rank} of {self.count} hung; the others waited")
    if code == 0 or self.status:
      return
    self.status = code if code > 0 else 128 - code
    if self._deadline < float("inf"):
      return
    if code in (_PREEMPTED, _WAITED):
      # The others end likewise, but for the one that hangs.
      self._in_vain = code == _WAITED
      self._deadline = time.monotonic() + self._grace
    elif code == _ABORTED:
      self._in_vain = True
      self._suspect = f"process {rank} of {self.count} ended by signal {-code}"
      self._end()
    else:
      how = f"with status {code}" if code > 0 else f"by signal {-code}"
      who = f"process {rank} of {self.count}"
      self._tell(f"{who} ended {how}; stopping the others")
      self._end()

  def _tell(self, what: str) -> None:
    self._told = True
    resume = "The same command resumes the run."
    _write(2, f"launch/local.sh: {what}. {resume}\n".encode())

  def _end(self) -> None:
    """Asks every rank to save and end within the grace."""
    self._deadline = time.monotonic() + self._grace
    for process in self._running.values():
      with contextlib.suppress(ProcessLookupError):
        process.terminate()


_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
  _LIBC.prctl(_PDEATHSIG, signal.SIGTERM)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
  """To the whole session of a rank, whether or not the rank is alive."""
  with contextlib.suppress(ProcessLookupError, PermissionError):
    os.killpg(process.pid, number)


def _copy(source: IO[bytes], sink: int, prefix: bytes) -> None:
  for line in source:
    _write(sink, prefix + line.rstrip(b"\n") + b"\n")


def _write(sink: int, text: bytes) -> None:
  # Nobody may be reading any more; the ranks work on.
  with contextlib.suppress(OSError):
    os.write(sink, text)


def main(argv: list[str]) -> int:
  count, devices, port, grace, *command = argv
  job = Job(int(count), float(grace))
  for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, job.ask)
  job.start(command, devices, port)
  return job.wait()


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
