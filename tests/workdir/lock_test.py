"""One live run per workdir."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from scenetok_jax.types import InputError
from scenetok_jax.workdir import lock as module
from scenetok_jax.workdir.lock import LOCK_FILE, LeaseLostError, lock

HOLD = """
import sys, time
from scenetok_jax.workdir import lock as module
module.BEAT, module.EXPIRED = {beat}, {expired}
with module.lock({folder!r}) as check:
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
  for _ in range(600):
    time.sleep(0.1)
    check()
"""


def holder(folder, fork=False, beat=10, expired=60):
  code = HOLD.format(folder=str(folder), fork=fork, beat=beat, expired=expired)
  child = subprocess.Popen(
    [sys.executable, "-c", code],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
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
  start = time.monotonic()  # before the dead process is waited for
  try:
    with lock(tmp_path):
      owner = json.loads((tmp_path / "run.lock").read_text())
      assert owner["pid"] == os.getpid()
      assert time.monotonic() - start < 5
  finally:
    os.kill(forked, signal.SIGKILL)
    child.communicate()


def test_lock_is_free_again_after_the_run(tmp_path):
  for _ in range(2):
    with lock(tmp_path) as check:
      check()
    assert os.listdir(tmp_path) == []


def test_a_number_that_went_to_another_process_is_no_owner(tmp_path):
  with lock(tmp_path):
    lease = json.loads((tmp_path / LOCK_FILE).read_text())
  lease |= {"owner": "dead", "started": "1"}  # of this very number
  (tmp_path / LOCK_FILE).write_text(json.dumps(lease))
  with lock(tmp_path) as check:
    check()


def test_a_lease_that_was_cut_off_is_not_free_at_once(tmp_path, elsewhere):
  (tmp_path / LOCK_FILE).write_text('{"owner": "a')
  start = time.monotonic()
  with lock(tmp_path):
    assert time.monotonic() - start > 1


def test_the_file_of_an_flock_is_no_lease(tmp_path):
  (tmp_path / LOCK_FILE).write_text('{"pid": 1, "host": "here"}')
  with lock(tmp_path):
    pass


@pytest.fixture
def elsewhere(monkeypatch):
  """This process is of another machine; a lease expires after a second."""
  monkeypatch.setattr(module, "_machine", lambda: "elsewhere")
  monkeypatch.setattr(module, "BEAT", 0.1)
  monkeypatch.setattr(module, "EXPIRED", 1.0)


@pytest.mark.faults("a run on another machine lives, or died without a word")
def test_another_machines_run_lives_while_its_lease_changes(
  tmp_path, elsewhere, capsys
):
  child, _ = holder(tmp_path, beat=0.3)
  try:
    start = time.monotonic()
    with (
      pytest.raises(InputError, match=f"in use by process {child.pid} on"),
      lock(tmp_path),
    ):
      pass
    assert time.monotonic() - start < 1
  finally:
    child.kill()
    child.communicate()
  start = time.monotonic()
  with lock(tmp_path):
    assert time.monotonic() - start > 1
  assert "waiting whether it lives" in capsys.readouterr().err


@pytest.mark.faults("a run stands still, another takes its workdir, it wakes")
def test_who_stood_still_and_lost_the_lease_ends(tmp_path, elsewhere):
  child, _ = holder(tmp_path, beat=0.3, expired=1)
  os.kill(child.pid, signal.SIGSTOP)
  with lock(tmp_path) as check:
    mine = json.loads((tmp_path / LOCK_FILE).read_text())["owner"]
    os.kill(child.pid, signal.SIGCONT)
    _, errors = child.communicate(timeout=20)
    last = errors.splitlines()[-1]
    for part in ("LeaseLostError", "has taken over the workdir", "alone"):
      assert part in last
    check()
    assert json.loads((tmp_path / LOCK_FILE).read_text())["owner"] == mine


def test_the_loser_finds_out_at_a_heartbeat(tmp_path, elsewhere):
  other = {"owner": "other", "pid": 7, "host": "there"}
  with (
    pytest.raises(LeaseLostError, match="process 7 on there has taken over"),
    lock(tmp_path) as check,
  ):
    (tmp_path / LOCK_FILE).write_text(json.dumps(other))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
      check()
  assert json.loads((tmp_path / LOCK_FILE).read_text()) == other


def test_of_many_that_start_at_once_one_has_the_workdir(tmp_path):
  together, had, refused = threading.Barrier(8), [], []

  def start():
    together.wait()
    try:
      with lock(tmp_path):
        had.append(1)
        finished.wait()
    except InputError:
      refused.append(1)
      if len(refused) == 7:
        finished.set()

  finished = threading.Event()
  threads = [threading.Thread(target=start) for _ in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(20)
  finished.set()
  assert len(had) == 1 and len(refused) == 7


def test_a_storage_that_fails_for_a_while_ends_nothing(
  tmp_path, elsewhere, monkeypatch
):
  with lock(tmp_path) as check:

    def fail(*_, **__):
      raise InputError("no")

    with monkeypatch.context() as broken:
      broken.setattr(module, "write_json", fail)
      time.sleep(0.5)
      check()
    before = (tmp_path / LOCK_FILE).read_text()
    time.sleep(0.5)
    assert (tmp_path / LOCK_FILE).read_text() != before


def test_a_lease_that_lacks_who_has_it_is_of_an_unknown_process(
  tmp_path, monkeypatch
):
  (tmp_path / "run.lock").write_text('{"owner": "a", "machine": "m"}')
  monkeypatch.setattr(module, "EXPIRED", 0.1)
  module.check_free(tmp_path)
