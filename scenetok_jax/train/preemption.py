"""Signals: a last checkpoint instead of a lost run."""

import os
import signal
import threading
from typing import Any, Self

import jax

from scenetok_jax.workdir.checkpoint import Checkpointer

PREEMPTED = 75  # exit status (EX_TEMPFAIL): saved, the same command goes on
_ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class PreemptionWatch:
  """Whether the run shall save and end after a step.

  A lone process listens itself, and a second Ctrl-C interrupts it. With
  several, JAX's preemption service listens for SIGTERM, so that all of them
  agree on one step even if only one was told; the other signals become one.
  """

  def __init__(self) -> None:
    self.requested = False
    self._previous: dict[signal.Signals, Any] = {}

  def now(self, step: int, checkpointer: Checkpointer) -> bool:
    """True when this step is the last; all processes get the same answer."""
    if jax.process_count() > 1:
      return checkpointer.preempted(step)
    return self.requested

  def __enter__(self) -> Self:
    # Signals reach only the main thread; elsewhere nothing can be caught.
    if threading.current_thread() is threading.main_thread():
      alone = jax.process_count() == 1
      # A handler of SIGTERM would take it from the preemption service.
      for number in _ASKING if alone else _ASKING[1:]:
        handler = self._request if alone else self._hand_on
        self._previous[number] = signal.signal(number, handler)
    return self

  def __exit__(self, *_: object) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  def _request(self, number: int, _: object) -> None:
    if self.requested and number == signal.SIGINT:
      raise KeyboardInterrupt
    self.requested = True

  def _hand_on(self, *_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
