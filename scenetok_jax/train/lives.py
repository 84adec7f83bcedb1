"""The lives of a run: when each was, what it did and how it ended."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import jax

from scenetok_jax.io import locate, write_text
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.json_text import read_rows
from scenetok_jax.train.activity import Activity
from scenetok_jax.types import InputError, explained
from scenetok_jax.workdir.lock import LeaseLostError

LIVES_FILE = "lives.jsonl"
_BEAT = 10.0  # ours: seconds of a killed life that its row may lack
ALIVE, KILLED = "alive", "killed"


class LifeLog:
  """Keeps the last row of WORKDIR/lives.jsonl up to date, in the lead alone.

  The file is written whole, by a thread, every ten seconds and at saves: a
  killed life leaves its row, and the next one says there that it was killed.
  """

  def __init__(
    self,
    workdir: str | os.PathLike[str],
    total_steps: int,
    activity: Activity,
    check_lease: Callable[[], None],
  ) -> None:
    """check_lease: raises where the workdir is another run's by now."""
    self._path = locate(workdir) / LIVES_FILE
    self._total, self._activity = total_steps, activity
    self._check, self._over = check_lease, threading.Event()
    self._writing = threading.Lock()
    # The life began before its workdir was locked.
    self._begin = time.time() - sum(activity.seconds().values())
    self._before: list[dict[str, Any]] = []
    self._thread = threading.Thread(target=self._keep, daemon=True)

  def __enter__(self) -> Self:
    if is_lead():
      self._before = read_lives(self._path)
      for row in self._before:
        # This run has the lease: nobody else is alive.
        row |= {"ended": KILLED} if row.get("ended") == ALIVE else {}
      self._write(ALIVE)
      self._thread.start()
    return self

  def __exit__(self, kind: type | None, *_: object) -> None:
    if not is_lead():
      return
    self._over.set()
    self._activity.news.set()
    self._thread.join(_BEAT)
    finished = self._activity.last_step == self._total
    ended = "finished" if finished else "stopped"
    ended = ended if kind is None else f"failed: {kind.__name__}"
    if kind is not LeaseLostError:
      # A full disk has been told.
      with contextlib.suppress(InputError):
        self._write(ended)

  def _keep(self) -> None:
    with contextlib.suppress(LeaseLostError):
      while not self._over.is_set():
        self._activity.news.wait(_BEAT)
        self._activity.news.clear()
        self._check()
        with contextlib.suppress(InputError):
          self._write(ALIVE)

  def _write(self, ended: str) -> None:
    with self._writing:
      # A thread that was late must not call an ended life alive.
      if ended == ALIVE and self._over.is_set():
        return
      seconds = self._activity.seconds()
      row = {
        "begin": round(self._begin, 3),
        "end": round(self._begin + sum(seconds.values()), 3),
        "ended": ended,
        "processes": jax.process_count(),
        "devices": jax.device_count(),
        "first_step": self._activity.first_step,
        "last_step": self._activity.last_step,
        "seconds": {kind: round(x, 3) for kind, x in seconds.items()},
      }
      lines = [json.dumps(life) + "\n" for life in [*self._before, row]]
      write_text(self._path, "".join(lines), sync=True)


def read_lives(path: Any) -> list[dict[str, Any]]:
  """The rows of a lives.jsonl, the oldest first; none where there is none."""
  remedy = "move it away: the run then counts its lives anew"
  with explained(f"{path}: cannot be read", remedy, Exception):
    rows = read_rows(path, remedy) if path.exists() else ()
    return [row for _, row in rows]
