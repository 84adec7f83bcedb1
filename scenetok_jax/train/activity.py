"""What the main thread of a run does, and where its seconds went."""

import threading
import time
from collections.abc import Callable
from typing import Self

import jax

# What a second was spent on; evaluations and all else compile in "compile".
KINDS = (
  "start", "restore", "compile", "data_wait", "step", "save", "evaluation",
)  # fmt: skip
_COMPILES = "/jax/core/compile/"  # JAX's events: tracing, lowering, XLA


class Activity:
  """The phase of one life of a run, and its seconds by KINDS.

  place: phase and its number, a new tuple whenever the run gets on.
  first_step, last_step: steps at its start, and finished by now; None before
  they are known. news: set where the steps so far are about to be saved.
  Entered, it sees what JAX compiles in the thread that made it.
  """

  def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
    self.place = ("its start", 0)
    self.first_step: int | None = None
    self.last_step: int | None = None
    self.news = threading.Event()
    self._clock, self._lock = clock, threading.Lock()
    self._seconds = dict.fromkeys(KINDS, 0.0)
    self._kind, self._since = "start", clock()
    # Ends and seconds of compilations in this phase, none inside another.
    self._compiled: list[tuple[float, float]] = []
    self._thread = threading.get_ident()

  def __enter__(self) -> Self:
    jax.monitoring.register_event_duration_secs_listener(self._heard)
    return self

  def __exit__(self, *_: object) -> None:
    jax.monitoring.unregister_event_duration_listener(self._heard)

  def at(self, phase: str, kind: str | None = None) -> None:
    """Tells what the main thread begins, or that it gets on with it.

    All processes pass the same phases; who is in an earlier one is awaited.
    kind: one of KINDS, by default that of the phase before.
    """
    before, number = self.place
    # A new one also for the same phase.
    self.place = (phase, number + (phase != before))
    with self._lock:
      self._seconds = self._now()
      self._since = self._clock()
      self._compiled.clear()
      self._kind = kind or self._kind
    if kind == "save":
      self.news.set()

  def seconds(self) -> dict[str, float]:
    """Seconds so far, by KINDS; from any thread."""
    with self._lock:
      return self._now()

  def _now(self) -> dict[str, float]:
    compiled = sum(seconds for _, seconds in self._compiled)
    passed = self._clock() - self._since
    found = dict(self._seconds)
    found["compile"] += compiled
    found[self._kind] += max(passed - compiled, 0.0)
    return found

  def _heard(self, event: str, duration_secs: float, **_: object) -> None:
    if not event.startswith(_COMPILES):
      return
    if threading.get_ident() != self._thread:
      return
    with self._lock:
      now = self._clock()
      # What ended since this one began is a part of it.
      while self._compiled and self._compiled[-1][0] > now - duration_secs:
        self._compiled.pop()
      self._compiled.append((now, duration_secs))
