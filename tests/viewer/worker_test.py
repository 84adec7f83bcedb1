"""One thread answers moves first, refines at rest, and outlives errors."""

import threading

import pytest

from scenetok_jax.types import InputError
from scenetok_jax.viewer.slots import Work
from scenetok_jax.viewer.worker import Worker


@pytest.fixture
def told():
  return []


@pytest.fixture
def worker(told):
  def view(client, value, rests, pause):
    pause()
    told.append((client, value, "rest" if rests else "move"))

  found = Worker(view, lambda client, line: told.append((client, line)))
  for client in (1, 2):
    found.slots.add(client)
  return found


def wait_for(condition):
  for _ in range(2000):
    if condition():
      return
    threading.Event().wait(0.01)
  pytest.fail("it never came")


def test_a_moved_camera_is_shown_at_once_and_again_at_rest(worker, told):
  worker.start()
  worker.slots.move(1, "a")
  wait_for(lambda: len(told) == 2)
  worker.close()
  assert told == [(1, "a", "move"), (1, "a", "rest")]


def test_moves_are_answered_in_the_pauses_of_a_job(worker, told):
  def job(pause):
    worker.slots.move(1, "own")
    worker.slots.move(2, "other")
    pause()
    told.append("done")

  worker.serve(Work("job", 1, job))
  assert told == [(1, "own", "move"), (2, "other", "move"), "done"]


def test_a_view_at_rest_ends_when_its_camera_moves_on(worker, told):
  worker.slots.move(2, "other")
  worker.serve(Work("rest", 1, "kept"))
  worker.slots.move(1, "newer")
  worker.serve(Work("rest", 1, "stale"))
  assert told == [
    (2, "other", "move"), (1, "kept", "rest"), (1, "newer", "move")
  ]  # fmt: skip


def test_a_job_ends_when_its_client_has_left(worker, told):
  def job(pause):
    pause()
    told.append("here")
    worker.slots.drop(1)
    pause()
    told.append("never")

  worker.serve(Work("job", 1, job))
  assert told == ["here"]


def test_errors_are_told_in_a_line_and_work_goes_on(worker, told, caplog):
  def bad(pause):
    raise InputError("a.tok: not whole\n; make it again")

  def broken(pause):
    raise RuntimeError("secret")

  worker.start()
  worker.slots.job(1, bad)
  worker.slots.job(2, broken)
  worker.slots.move(2, "on")
  wait_for(lambda: len(told) == 4)
  worker.close()
  assert (1, "a.tok: not whole ; make it again") in told
  assert (2, "internal error: RuntimeError") in told
  assert (2, "on", "rest") in told
  assert "secret" in caplog.text
