"""Long sampling runs in slices of seconds, between which they report."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

State = TypeVar("State")
Progress = Callable[[int, int], None]  # told the steps done, and all of them

_SLICE_SECONDS = 3.0  # ours: often enough for a progress line


def silent(done: int, total: int) -> None:
  """A Progress that tells nobody."""


def pad_rows(rows: Any, least: int = 512) -> Any:
  """Repeats the last row up to a power of two, which no slice reaches.

  Runs of different lengths then share one compilation.
  """

  def pad(table: np.ndarray) -> jax.Array:
    length = max(least, 1 << (len(table) - 1).bit_length())
    size = [(0, length - len(table))] + [(0, 0)] * (table.ndim - 1)
    return jnp.asarray(np.pad(table, size, mode="edge"))

  return jax.tree.map(pad, rows)


def run_slices(
  run: Callable[[State, int, int], State],
  state: State,
  total: int,
  progress: Progress = silent,
  *,
  first: int = 0,
  save: Callable[[State, int], None] = lambda state, done: None,
) -> State:
  """The state after step `total`, by run(state, start, stop) again and again.

  first: step to start from, whose state is given. progress: told before the
  first slice and after each. save: called after each with the state and the
  steps done.
  """
  done, count = first, 1
  progress(done, total)
  while done < total:
    start = time.monotonic()
    stop = min(done + count, total)
    state = jax.block_until_ready(run(state, done, stop))
    # The first slice compiles: its time says nothing about the next.
    if done > first:
      seconds = (time.monotonic() - start) / (stop - done)
      count = max(1, int(_SLICE_SECONDS / seconds))
    done = stop
    save(state, done)
    progress(done, total)
  return state
