"""A process that keeps the others waiting is named, and the run ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from scenetok_jax.train import hang
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.hang import WAITED, HangWatch, Report, culprits

SECONDS = 120  # for processes to start on a busy machine

# What the processes do: WHAT of the last one, at WHERE of it.
_RANK = """
import os, signal, sys, threading, time
import jax
from scenetok_jax.parallel.join import initialize
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.hang import HangWatch

initialize()
rank, last = jax.process_index(), jax.process_count() - 1
activity = Activity()
at = activity.at
with HangWatch(float(sys.argv[1]), activity):
  at("step 12")
  exec(sys.argv[2])
  print("got on", flush=True)
"""
_ALONE = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"}
# Another process ends the sleep of the one that it waits for.
_WAITS = """
from jax.experimental import multihost_utils
multihost_utils.sync_global_devices("step 12")
"""
SLEEPS = f"rank == last and time.sleep({SECONDS})"
STOPS = "rank == last and (time.sleep(2), os.kill(os.getpid(), 19))"
LEAD_DIES = "rank == 0 and (time.sleep(1), os.kill(os.getpid(), 9))"


def start(code, seconds=1.5, count=1):
  """Processes of one job, whose main threads run `code`."""
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  found = []
  for rank in range(count):
    settings = {
      "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
      "JAX_NUM_PROCESSES": str(count),
      "JAX_PROCESS_ID": str(rank),
    }
    line = [sys.executable, "-c", _RANK, str(seconds), code]
    found.append(
      subprocess.Popen(
        line, env=os.environ | _ALONE | settings, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      )
    )  # fmt: skip
  return found


def end(process):
  """Its status, its output, its errors."""
  try:
    output, errors = process.communicate(timeout=SECONDS)
  finally:
    process.kill()
  return process.returncode, output, errors


def report(number=5, waits=True):
  return Report("host", f"step {number}", number, waits)


@pytest.mark.parametrize(
  ("reports", "silent", "found"),
  [
    ([report(), report(4), report()], {}, [1]),
    ([report(), report(), report(waits=False)], {}, [2]),
    # Who is behind is awaited, whatever the others are at.
    ([report(waits=False), report(4), report(waits=False)], {}, [1]),
    ([report(4, waits=False), report(), report()], {2}, [2]),
    ([report(), report(), report()], {}, [0, 1, 2]),
  ],
)
def test_who_is_silent_or_behind_or_does_not_wait_is_at_fault(
  reports, silent, found
):
  assert culprits(dict(enumerate(reports)), silent) == found


def test_a_lone_process_that_does_nothing_ends_with_its_stacks():
  (process,) = start(f"time.sleep({SECONDS})")
  status, output, errors = end(process)
  assert status == 2 and not output
  assert "in <module>" in errors and "most recent call first" in errors
  host = socket.gethostname()
  assert f"error: process 0 on {host} hangs in step 12 (train.hang" in errors


# In turn: a compilation (others work for the main thread), an evaluation, and
# a process that was stopped for a while.
_SLOW = """
end = time.time() + 4
while time.time() < end: pass
for _ in range(8): time.sleep(0.5); at('the evaluation')
os.posix_spawn('/bin/sh', ['sh', '-c', f'kill -STOP {os.getpid()}; sleep 4;'
               f' kill -CONT {os.getpid()}'], {})
time.sleep(0.5)
"""


def test_stacks_that_crash_leave_the_status():
  crash = "hang.faulthandler.dump_traceback = lambda file: ctypes.string_at(0)"
  code = f"import ctypes; from scenetok_jax.train import hang; {crash}"
  (process,) = start(f"{code}; time.sleep({SECONDS})")
  status, _, errors = end(process)
  assert status == 2 and "hangs in step 12" in errors


def test_who_was_left_alone_is_not_at_fault():
  lost = "UNKNOWN: Gloo AllGather failed: Connection closed by peer"
  # Python ends slowly, in no code that waits.
  code = f"""
import atexit
atexit.register(time.sleep, {SECONDS})
time.sleep({SECONDS} if rank == last else 0.2)
raise ValueError({lost!r})
"""
  ended = [end(process) for process in start(code, count=3)]
  for *_, errors in ended:
    assert f"process 2 on {socket.gethostname()} hangs in step 12 (" in errors
    assert "; process" not in errors
  assert [status for status, *_ in ended] == [WAITED, WAITED, 2]


def test_who_spins_for_a_dead_process_is_not_taken_for_busy():
  code = f"""
if rank == last: time.sleep(1), os.kill(os.getpid(), 9)
end = time.time() + {SECONDS}
while time.time() < end: pass
"""
  first, _ = (end(process) for process in start(code, count=2))
  status, _, errors = first
  told = f"process 1 on {socket.gethostname()} gives no sign of life in step 12"
  assert status == WAITED and told in errors


def test_an_abort_of_cpp_names_the_process_that_died_before():
  code = """
import ctypes
time.sleep(1)
if rank == last: os.kill(os.getpid(), 9)
time.sleep(1)
ctypes.CDLL(None).abort()
"""
  first, _ = (end(process) for process in start(code, count=2))
  status, _, errors = first
  told = f"process 1 on {socket.gethostname()} gives no sign of life in step 12"
  assert status == WAITED and told in errors


def test_slow_is_not_hung():
  (process,) = start(_SLOW)
  status, output, errors = end(process)
  assert (status, output) == (0, "got on\n"), errors


def test_frames_of_threads_are_read_only_where_a_run_stands(monkeypatch):
  # CPython 3.11 crashed in a save, whose threads come and go, where the watch
  # read frames every 5 s.
  asked = []
  monkeypatch.setattr(hang, "_waiting", lambda: asked.append(1))
  activity = Activity()
  with HangWatch(6.0, activity):
    for step in range(20):
      activity.at(f"step {step}")
      time.sleep(0.1)
    assert not asked
    time.sleep(3)
    assert 1 <= len(asked) <= 2


def test_no_limit_is_no_watch():
  before = threading.active_count()
  with HangWatch(0.0, Activity()):
    assert threading.active_count() == before


@pytest.mark.faults("processes of a job asleep, stopped, dead: named by others")
@pytest.mark.parametrize(
  ("code", "rank", "how", "status"),
  [
    (SLEEPS, 2, "hangs", 2),
    (STOPS, 2, "gives no sign of life", None),
    (LEAD_DIES, 0, "gives no sign of life", -signal.SIGKILL),
  ],
  ids=["asleep", "stopped", "process 0 dead"],
)
def test_every_process_names_the_one_it_waits_for(code, rank, how, status):
  processes = start(code + _WAITS, 3.0, 3)
  begun = time.monotonic()
  for number in {0, 1, 2} - {rank}:
    found, output, errors = end(processes[number])
    assert found == WAITED and not output, errors
    assert errors.count("scenetok train: error: process ") == 1
    assert f"error: process {rank} on " in errors
    assert f" {how} in step 12" in errors
    assert "most recent call first" in errors
  assert time.monotonic() - begun < SECONDS
  if status is None:
    assert processes[rank].poll() is None  # still stopped
  else:
    assert end(processes[rank])[0] == status
  processes[rank].kill()
