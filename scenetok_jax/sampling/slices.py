"""Long sampling runs in slices of seconds, between which they report."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

State = TypeVar("State")
Report = Callable[[int], None]  # told how many more steps are done

_SLICE_SECONDS = 3.0  # ours: often enough for a progress line


def pad_rows(rows: Any, least: int = 512) -> Any:
  """Repeats the last row up to a power of two, which no slice reaches.

  Runs of different lengths then share one compilation.
  """

  def pad(table: np.ndarray) -> np.ndarray:
    length = max(least, 1 << (len(table) - 1).bit_length())
    size = [(0, length - len(table))] + [(0, 0)] * (table.ndim - 1)
    return np.pad(table, size, mode="edge")

  return jax.tree.map(lambda table: pad(np.asarray(table)), rows)


def run_slices(
  run: Callable[[State, int, int], State],
  state: State,
  total: int,
  report: Report = lambda steps: None,
  *,
  first: int = 0,
  after: Callable[[State, int], None] = lambda state, done: None,
) -> State:
  """Calls run(state, start, stop) up to step `total` in slices of seconds.

  Args:
    run: the compiled program.
    state: the state before step `first`.
    total: steps of the whole run.
    report: called after each slice with its number of steps.
    first: step to start from.
    after: called with the state and the steps done, to save them.

  Returns:
    The state after the last step.
  """
  done, count = first, 1
  while done < total:
    start = time.monotonic()
    stop = min(done + count, total)
    state = jax.block_until_ready(run(state, done, stop))
    seconds = time.monotonic() - start
    # The first slice compiles: its time says nothing about the next.
    if done > first:
      count = max(1, int(_SLICE_SECONDS / (seconds / (stop - done))))
    done, finished = stop, stop - done
    after(state, done)
    report(finished)
  return state
