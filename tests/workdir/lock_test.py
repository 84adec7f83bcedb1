"""One live run per workdir."""

import json
import os
import signal
import subprocess
import sys

import pytest

from scenetok_jax.types import InputError
from scenetok_jax.workdir.lock import lock

HOLD = """
import sys, time
from scenetok_jax.workdir.lock import lock
with lock({folder!r}):
  if {fork}:
    import os
    running, tell = os.pipe()
    child = os.fork()
    if child == 0:
      os.write(tell, b"!")
      time.sleep(60)
      os._exit(0)
    os.read(running, 1)  # the kernel may start it long after fork returns
    print("child", child, flush=True)
  print("held", flush=True)
  time.sleep(60)
"""


def holder(folder, fork=False):
  child = subprocess.Popen(
    [sys.executable, "-c", HOLD.format(folder=str(folder), fork=fork)],
    stdout=subprocess.PIPE,
    text=True,
  )
  forked = None
  for line in child.stdout:
    if line.startswith("child"):
      forked = int(line.split()[1])
    if line.startswith("held"):
      return child, forked
  raise AssertionError("the holder died")


@pytest.mark.faults("two runs in one workdir")
def test_second_live_run_is_refused_by_pid(tmp_path):
  child, _ = holder(tmp_path)
  try:
    with (
      pytest.raises(InputError, match=f"in use by process {child.pid} on"),
      lock(tmp_path),
    ):
      pass
  finally:
    child.kill()
    child.communicate()


@pytest.mark.faults("the lock of a killed run")
def test_lock_of_a_killed_run_is_taken_over_despite_its_workers(tmp_path):
  child, forked = holder(tmp_path, fork=True)
  os.kill(child.pid, signal.SIGKILL)
  child.wait()
  try:
    with lock(tmp_path):
      owner = json.loads((tmp_path / "run.lock").read_text())
      assert owner["pid"] == os.getpid()
  finally:
    os.kill(forked, signal.SIGKILL)
    child.stdout.close()


def test_lock_is_free_again_after_the_run(tmp_path):
  for _ in range(2):
    with lock(tmp_path):
      pass
