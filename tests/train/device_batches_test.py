"""Batches on their way to the devices."""

import threading
import time

import pytest

from scenetok_jax.train.device_batches import DeviceBatches
from scenetok_jax.types import InputError


class Numbers:
  """The stream 0, 1, ...; a read waits for `gate`, and `broken` fails."""

  def __init__(self, gate=None, broken=None):
    self.read, self._gate, self._broken = 0, gate, broken

  def __next__(self):
    if self._gate is not None:
      self._gate.acquire()
    if self.read == self._broken:
      raise InputError("a worker hangs")
    self.read += 1
    return self.read - 1

  def get_state(self):
    return {"next": self.read}

  def set_state(self, state):
    self.read = state["next"]


def settle(stream, count):
  """Waits until so many are read, and a while for one too many."""
  end = time.monotonic() + 10
  while stream.read < count and time.monotonic() < end:
    time.sleep(0.01)
  time.sleep(0.1)
  return stream.read


def test_two_batches_wait_and_the_state_is_of_the_one_that_was_taken():
  stream, put = Numbers(), []
  stream.set_state({"next": 5})
  batches = DeviceBatches(stream, lambda batch: put.append(batch) or -batch)
  assert settle(stream, 7) == 7 and put == [5, 6] and batches.ready()
  assert batches.get_state() == {"next": 5}
  assert batches.peek() == batches.peek() == -5
  assert batches.get_state() == {"next": 5}
  for number in range(5, 9):
    assert next(batches) == -number
    assert batches.get_state() == {"next": number + 1}
  assert settle(stream, 11) == 11
  batches.close()
  assert stream.read <= 12 and not batches._thread.is_alive()


def test_a_batch_that_is_not_read_yet_is_not_ready():
  gate = threading.Semaphore(0)
  batches = DeviceBatches(Numbers(gate), lambda batch: batch)
  assert not batches.ready()
  gate.release()
  assert next(batches) == 0
  gate.release(9)
  batches.close()
  assert not batches._thread.is_alive()


def test_what_a_stream_raises_comes_where_its_batch_would():
  batches = DeviceBatches(Numbers(broken=1), lambda batch: batch)
  assert next(batches) == 0
  with pytest.raises(InputError, match="a worker hangs"):
    next(batches)
  assert batches.get_state() == {"next": 1}
  batches.close()
