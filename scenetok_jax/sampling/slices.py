"""Long sampling runs in slices of seconds, between which they report."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save

from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.io import atomic_path
from scenetok_jax.parallel.rules import shard_batch
from scenetok_jax.sampling.velocity import extend
from scenetok_jax.types import InputError

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
    return jnp.asarray(extend(table, length, axis=0))

  return jax.tree.map(pad, rows)


@dataclasses.dataclass(frozen=True)
class StateFile:
  """Where an interrupted run is continued from.

  identity: digest of everything that decides the result; another run's file
  is started over.
  """

  path: Path
  identity: str

  def load(self) -> tuple[SolverState, int] | None:
    """(state, steps done) of this run, or None; InputError if damaged."""
    if not self.path.is_file():
      return None
    problem = "state of an interrupted run is damaged"
    remedy = "delete it to start over"
    with own_arrays(self.path, problem, remedy) as (arrays, header):
      if header.get("identity") != self.identity:
        return None
      if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("NaN or Inf")
      return SolverState(**arrays), int(header["done"])

  def save(self, state: SolverState, done: int) -> None:
    """Replaces the file atomically."""
    arrays = {
      name: np.asarray(jax.device_get(array))
      for name, array in state._asdict().items()
      if array is not None
    }
    header = {"identity": self.identity, "done": str(done)}
    with atomic_path(self.path) as temporary:
      temporary.write_bytes(save(arrays, sealed(arrays, header)))


def _check(
  path: Path, found: tuple[SolverState, int], fresh: SolverState, total: int
) -> None:
  """InputError unless a kept state is one of this run's."""
  state, done = found
  kinds = [[(a.dtype, a.shape) for a in jax.tree.leaves(s)]
           for s in (state, fresh)]  # fmt: skip
  if kinds[0] != kinds[1] or not 0 < done <= total:
    raise InputError(
      f"{path}: state of an interrupted run is damaged (step {done} of {total},"
      f" {state.x.dtype} {state.x.shape}); delete it to start over"
    )


def run_slices(
  run: Callable[[SolverState, int, int], SolverState],
  state: SolverState,
  total: int,
  progress: Progress = silent,
  file: StateFile | None = None,
) -> SolverState:
  """The state after step `total`, by run(state, start, stop) again and again.

  progress: told before the first slice and after each. file: goes on from the
  state in it; keeps that of each slice.
  """
  first, count = 0, 1
  if file and (found := file.load()):
    _check(file.path, found, state, total)
    state, first = shard_batch(found[0]), found[1]
  done = first
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
    if file:
      file.save(state, done)
    progress(done, total)
  return state
