"""What waits to be computed: the latest view of each client, and jobs."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

Client = int
Kind = Literal["move", "rest", "job"]


@dataclasses.dataclass(frozen=True)
class Work:
  """kind: a view of a moved camera, of one at rest, or a job. value: of it."""

  kind: Kind
  client: Client
  value: Any


@dataclasses.dataclass
class _Slot:
  """One client's: due: when its view may be taken; jobs: first in, first out.

  order: of the moves among clients.
  """

  view: Work | None = None
  due: float = 0.0
  order: int = 0
  jobs: collections.deque[Work] = dataclasses.field(
    default_factory=collections.deque
  )


class Slots:
  """A slot per client, in which a newer view replaces an older one.

  Moves come first, in the order of their clients' first waiting one; then
  views at rest that are due; then jobs, clients in turn. Work of clients that
  are not (or no longer) known is dropped. Threads may share it.
  """

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    self._clock, self._count, self._closed = clock, 0, False
    self._slots: dict[Client, _Slot] = {}
    self._changed = threading.Condition()

  def add(self, client: Client) -> None:
    """From here on its work is taken."""
    with self._changed:
      self._slots.setdefault(client, _Slot())

  def drop(self, client: Client) -> None:
    """Forgets a client and all that it waits for."""
    with self._changed:
      self._slots.pop(client, None)
      self._changed.notify_all()

  def close(self) -> None:
    """Ends every `take`."""
    with self._changed:
      self._closed = True
      self._changed.notify_all()

  def known(self, client: Client) -> bool:
    """Whether it was added and is still there."""
    with self._changed:
      return client in self._slots and not self._closed

  def move(self, client: Client, value: Any) -> None:
    """A view that is wanted now, instead of whichever waits."""
    with self._changed:
      if slot := self._slots.get(client):
        if slot.view is None or slot.view.kind != "move":
          self._count += 1
          slot.order = self._count
        slot.view, slot.due = Work("move", client, value), 0.0
        self._changed.notify_all()

  def rest(self, client: Client, value: Any, delay: float) -> None:
    """A view that is wanted in `delay` seconds, unless a newer one waits."""
    with self._changed:
      slot = self._slots.get(client)
      if slot and slot.view is None:
        slot.view = Work("rest", client, value)
        slot.due = self._clock() + delay
        self._changed.notify_all()

  def job(self, client: Client, value: Any) -> None:
    """Something long, after the jobs that this client has given before."""
    with self._changed:
      if slot := self._slots.get(client):
        slot.jobs.append(Work("job", client, value))
        self._changed.notify_all()

  def take(self) -> Work | None:
    """The next work, as soon as there is some; None when closed."""
    with self._changed:
      while not self._closed:
        found, wait = self._next()
        if found:
          return found
        self._changed.wait(wait)
      return None

  def take_move(self) -> Work | None:
    """A move that waits, or None at once."""
    with self._changed:
      return None if self._closed else self._take_move()

  def _take_move(self) -> Work | None:
    moved = [
      s for s in self._slots.values() if s.view and s.view.kind == "move"
    ]
    if not moved:
      return None
    slot = min(moved, key=lambda s: s.order)
    found, slot.view = slot.view, None
    return found

  def _next(self) -> tuple[Work | None, float | None]:
    """(work, None), or (None, seconds until a view at rest is due)."""
    if found := self._take_move():
      return found, None
    resting = [s for s in self._slots.values() if s.view]
    first = min(resting, key=lambda s: s.due, default=None)
    wait = first.due - self._clock() if first else None
    if first and wait is not None and wait <= 0:
      found, first.view = first.view, None
      return found, None
    for client, slot in list(self._slots.items()):
      if slot.jobs:
        # To the end of the line: the next job is another client's.
        self._slots[client] = self._slots.pop(client)
        return slot.jobs.popleft(), None
    return None, wait
