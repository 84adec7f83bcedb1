"""SIGTERM: a last checkpoint instead of a lost run."""

import signal
import threading
from typing import Any, Self

import jax

from scenetok_jax.workdir.checkpoint import Checkpointer


class PreemptionWatch:
  """Whether the run shall save and end after a step.

  A lone process listens for SIGTERM itself. With several, JAX's preemption
  service listens, so that all of them agree on one step even if only one was
  told.
  """

  def __init__(self) -> None:
    self.requested = False
    self._previous: Any = None

  def now(self, step: int, checkpointer: Checkpointer) -> bool:
    """True when this step is the last; all processes get the same answer."""
    if jax.process_count() > 1:
      return checkpointer.preempted(step)
    return self.requested

  def __enter__(self) -> Self:
    # Signals reach only the main thread; elsewhere nothing can be caught. A
    # handler here would take the signal from the preemption service.
    main = threading.current_thread() is threading.main_thread()
    if main and jax.process_count() == 1:
      self._previous = signal.signal(signal.SIGTERM, self._request)
    return self

  def __exit__(self, *_: object) -> None:
    if self._previous is not None:
      signal.signal(signal.SIGTERM, self._previous)

  def _request(self, *_: object) -> None:
    self.requested = True
