"""A reader that hangs is named, and does not keep the run from ending."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from data_pipelines.loading import loader
from data_pipelines.loading.watchdog import (
  ActivityLog,
  StuckWorkerError,
  TimedCall,
)
from data_pipelines.storage import builders
from tests.data_pipelines import clips


def timed(call, activity, seconds=0.3):
  return TimedCall(call, seconds, activity, "data/rooms")


def test_results_and_errors_of_the_call_pass_through():
  numbers = iter([1, 2])
  fetch = timed(lambda: next(numbers), ActivityLog(), 10.0)
  assert [fetch(), fetch()] == [1, 2]
  with pytest.raises(StopIteration):
    fetch()
  fetch.close()


@pytest.mark.faults("a stuck reading thread")
def test_a_reading_thread_that_hangs_is_named_with_its_scene():
  activity, release = ActivityLog(), threading.Event()

  def read():
    with activity.doing("scene room_0007"):
      release.wait(20)

  fetch = timed(read, activity)
  message = r"data/rooms: no batch .* has been at scene room_0007 for"
  with pytest.raises(StuckWorkerError, match=message):
    fetch()
  release.set()
  fetch.close()


def test_finished_work_is_nobodys_fault():
  activity = ActivityLog()
  with activity.doing("scene a"):
    assert [what for _, _, what in activity.busy()] == ["scene a"]
  assert activity.busy() == []
  with activity.doing("scene of a longer name"):
    pass
  with activity.doing("scene b"):
    assert [what for _, _, what in activity.busy()] == ["scene b"]
  with pytest.raises(StuckWorkerError, match="no worker has an example"):
    timed(lambda: time.sleep(20), activity)()


def test_the_diary_is_removed_with_its_owner():
  activity = ActivityLog()
  folder = activity.folder
  del activity
  assert not os.path.exists(folder)


@pytest.mark.faults("a stuck worker process")
def test_a_stopped_worker_process_is_named_by_its_id(tmp_path):
  builders.build(tmp_path, clips.plan())
  data = clips.data_config(tmp_path, workers=1, timeout=120.0)
  stream = loader.train_iterator(data, seed=0)
  next(stream)
  (worker,) = multiprocessing.active_children()
  os.kill(worker.pid, signal.SIGSTOP)
  stream._fetch._seconds = 3.0
  with pytest.raises(StuckWorkerError, match=f"{worker.pid} .stopped by a si"):
    for _ in range(50):  # what the worker had read before
      next(stream)
  worker.join(20)
  assert not worker.is_alive()
  stream.close()
