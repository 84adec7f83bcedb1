"""Reads the examples of a batch at the same time.

Grain's threads make one batch each, example by example. A bucket answers a read
after tens of milliseconds, whatever the bandwidth, so that most examples of a
batch must be waiting at once.
"""

import threading
import weakref
from collections.abc import Callable
from multiprocessing.pool import AsyncResult, ThreadPool
from typing import Any

import grain


class ConcurrentExamples(grain.MapDataset):
  """The same examples; those of one batch of this host are read together.

  ElasticIterator takes a slice of the stream and batches it: of such a slice
  every batch_size examples in a row are a batch.
  """

  def __init__(self, parent: Any, batch_size: int, threads: int):
    """Args: the stream; this host's examples a batch; read at once."""
    super().__init__(parent)
    self._batch_size, self._readers = batch_size, _Readers(threads)

  def __len__(self) -> int:
    return len(self._parent)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return _Slice(self._parent[index], self._batch_size, self._readers)
    return self._parent[index]


class _Readers:
  """Threads that a process starts when it first reads."""

  def __init__(self, threads: int):
    self._threads = threads
    self._pool: ThreadPool | None = None

  def __reduce__(self):
    return _Readers, (self._threads,)

  def start(self, function: Callable, argument: Any) -> AsyncResult:
    if self._pool is None:
      # Daemons: a read that never returns must not keep a process alive.
      self._pool = ThreadPool(self._threads)
      weakref.finalize(self, self._pool.terminate)
    return self._pool.apply_async(function, (argument,))


class _Slice(grain.MapDataset):
  def __init__(self, parent: Any, batch_size: int, readers: _Readers):
    super().__init__(parent)
    self._batch_size, self._readers = batch_size, readers
    self._waiting: dict[int, AsyncResult] = {}
    self._lock = threading.Lock()

  def __reduce__(self):
    # Worker processes read in threads of their own.
    return _Slice, (self._parent, self._batch_size, self._readers)

  def __len__(self) -> int:
    return len(self._parent)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return self.slice(index)
    with self._lock:
      if index not in self._waiting:
        self._ask(index)
      example = self._waiting.pop(index)
    return example.get()

  def _ask(self, first: int) -> None:
    """For an example and all after it in its batch."""
    last = first - first % self._batch_size + self._batch_size
    for index in range(first, last):
      self._waiting[index] = self._readers.start(
        self._parent.__getitem__, index
      )
