"""Batches on their way to the devices: a thread puts them there ahead."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from scenetok_jax.types import SceneBatch

BATCHES_AHEAD = 2  # that wait on the devices
_LEAVE = 5.0  # seconds in which a thread that reads a batch may end


class DataIterator(Protocol):
  """What the loop needs of a data stream."""

  identity: str  # of what it reads, wherever that lies
  scale: Callable[[], Any]  # measures how large its scenes are

  def __next__(self) -> SceneBatch: ...
  def get_state(self) -> dict[str, int]: ...
  def set_state(self, state: dict[str, int]) -> None: ...


class DeviceBatches:
  """A stream's batches, which a thread puts on the devices two ahead."""

  def __init__(
    self, stream: DataIterator, put: Callable[[SceneBatch], SceneBatch]
  ) -> None:
    """Takes the stream over; put: host-local arrays -> global ones."""
    self._stream, self._put = stream, put
    self._state, self._over = stream.get_state(), threading.Event()
    # The thread holds one more.
    self._queue = queue.Queue[Any](BATCHES_AHEAD - 1)
    self._first: Any = None
    self._thread = threading.Thread(target=self._fill, daemon=True)
    self._thread.start()

  def ready(self) -> bool:
    """Whether a batch is there without waiting."""
    return self._first is not None or not self._queue.empty()

  def peek(self) -> SceneBatch:
    """The next batch, which stays the next."""
    self._first = self._first or self._take()
    return self._first[0]

  def __next__(self) -> SceneBatch:
    found, self._first = self._first or self._take(), None
    batch, self._state = found
    return batch

  def get_state(self) -> dict[str, int]:
    """The stream's state after the batch that was taken last."""
    return self._state

  def close(self) -> None:
    """Ends the thread, or leaves it where it waits for a batch."""
    self._over.set()
    while not self._queue.empty():
      self._queue.get()
    self._thread.join(_LEAVE)

  def _take(self) -> tuple[SceneBatch, dict[str, int]]:
    found = self._queue.get()
    if isinstance(found, BaseException):
      raise found
    return found

  def _fill(self) -> None:
    try:
      while not self._over.is_set():
        batch = self._put(next(self._stream))
        self._queue.put((batch, self._stream.get_state()))
    except BaseException as error:  # for the loop
      self._queue.put(error)
