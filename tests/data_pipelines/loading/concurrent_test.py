"""Examples of a batch read together are the stream of before, whatever asks."""

import threading

import grain
import numpy as np
import pytest

from data_pipelines.loading import loader

_TOGETHER = 6


def _iterator(stream, batch_size, workers=0, threads=1, hosts=1, host=0):
  shard = grain.sharding.ShardOptions(host, hosts, drop_remainder=True)
  return iter(loader.batches(stream, batch_size, workers, shard, threads))


def _numbers():
  return grain.MapDataset.source(range(1000)).seed(1).shuffle().repeat()


# 3: a position of a run with another batch size.
@pytest.mark.parametrize(
  ("workers", "hosts", "starts"),
  [
    (0, 1, (0, 3, 24, 16)),
    (0, 2, (16, 3)),
    pytest.param(2, 2, (3,), marks=pytest.mark.slow),
  ],
)
def test_batches_are_the_same_from_any_position(workers, hosts, starts):
  plain = _iterator(_numbers(), 8, hosts=hosts, host=hosts - 1)
  ours = _iterator(_numbers(), 8, workers, 5, hosts, hosts - 1)
  for start in starts:
    for iterator in (plain, ours):
      iterator.set_state({"global_next_index": start})
    for _ in range(7):
      np.testing.assert_array_equal(next(plain), next(ours))
    assert plain.get_state() == ours.get_state()
  plain.close()
  ours.close()


def test_examples_of_a_batch_are_read_at_once():
  barrier = threading.Barrier(_TOGETHER)

  def read(number):
    barrier.wait(timeout=30)  # breaks unless so many come
    return number

  stream = grain.MapDataset.source(range(60)).map(read)
  iterator = _iterator(stream, _TOGETHER, threads=_TOGETHER)
  np.testing.assert_array_equal(next(iterator), np.arange(_TOGETHER))
  iterator.close()


def test_an_error_of_an_example_reaches_the_reader():
  def read(number):
    if number == 5:
      raise ValueError("example 5 is damaged")
    return number

  iterator = _iterator(grain.MapDataset.source(range(40)).map(read), 4, 0, 4)
  next(iterator)
  with pytest.raises(ValueError, match="example 5 is damaged"):
    next(iterator)
  iterator.close()


def test_a_new_position_needs_no_new_threads():
  iterator = _iterator(_numbers(), 8, threads=40)
  before = threading.active_count()
  for start in range(0, 80, 8):
    iterator.set_state({"global_next_index": start})
    next(iterator)
  iterator.close()
  assert threading.active_count() < before + 2 * 40
