"""The one thread that computes, whoever asks."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from scenetok_jax.inference.live import Pause
from scenetok_jax.types import InputError
from scenetok_jax.viewer.slots import Client, Slots, Work

REST_SECONDS = 0.15  # ours: a camera that stands so long is at rest
_LOG = logging.getLogger(__name__)

Job = Callable[[Pause], None]  # to call the pause as often as it can


class Stale(Exception):
  """Nobody waits for this any more."""


class Worker:
  """Answers views and does jobs, one at a time.

  view: (client, request, whether it rests, pause), which shows it. A moved
  view is shown at once, and again as one at rest when nothing newer came.
  failed: (client, one line), for what cannot be done. Long work calls its
  pause, in which moved views of all clients are answered, and which raises
  Stale where its own client went away or, of a view, has moved on.
  """

  def __init__(
    self,
    view: Callable[[Client, Any, bool, Pause], None],
    failed: Callable[[Client, str], None],
    slots: Slots | None = None,
  ):
    self.slots = slots or Slots()
    self._view, self._failed = view, failed
    self._thread = threading.Thread(
      target=self._run, name="viewer worker", daemon=True
    )

  def start(self) -> None:
    """Begins to work."""
    self._thread.start()

  def close(self, seconds: float = 30.0) -> None:
    """Ends the thread after what it is doing."""
    self.slots.close()
    self._thread.join(seconds)

  def _run(self) -> None:
    while work := self.slots.take():
      self.serve(work)

  def serve(self, work: Work) -> None:
    """Does one thing; whatever goes wrong in it is told to its client."""
    try:
      if work.kind == "job":
        work.value(lambda: self._pause(work))
      elif work.kind == "rest":
        self._view(work.client, work.value, True, lambda: self._pause(work))
      else:
        self._view(work.client, work.value, False, lambda: None)
        self.slots.rest(work.client, work.value, REST_SECONDS)
    except Stale:
      pass
    except InputError as error:
      self._failed(work.client, " ".join(str(error).split()))
    except Exception as error:
      # The page goes on; what is wrong with the program is in the log.
      _LOG.exception("viewer: %s of client %s", work.kind, work.client)
      self._failed(work.client, f"internal error: {type(error).__name__}")

  def _pause(self, work: Work) -> None:
    """Serves moves, then raises Stale where `work` is of no use any more."""
    while moved := self.slots.take_move():
      self.serve(moved)
      if moved.client == work.client and work.kind == "rest":
        raise Stale
    if not self.slots.known(work.client):
      raise Stale
