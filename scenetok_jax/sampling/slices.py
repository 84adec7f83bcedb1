"""Long sampling runs in slices, so that they can report and be continued."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scenetok_jax.io import atomic_path
from scenetok_jax.parallel.depth import stacked_leaves
from scenetok_jax.types import Array, InputError

State = TypeVar("State")
Report = Callable[[int], None]  # told how many more steps are done

_SLICE_SECONDS = 3.0  # ours: often enough for a progress line


def advance(
  step: Callable[[State, Any], State],
  state: State,
  rows: Any,
  first: Array,
  last: Array,
) -> State:
  """Steps first .. last - 1 of a table of rows, as one loop on the device.

  first and last are traced, so that one compilation serves every slice.
  """

  def body(index: Array, state: State) -> State:
    return step(state, jax.tree.map(lambda table: table[index], rows))

  return jax.lax.fori_loop(first, last, body, state)


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


@dataclasses.dataclass(frozen=True)
class StateFile:
  """Where an interrupted run is continued from.

  identity: digest of everything that decides the result; another run's file
  is started over.
  """

  path: Path
  identity: str

  def load(self) -> tuple[dict[str, np.ndarray], int] | None:
    """(arrays, steps done) of the same run, None where there is none.

    Raises:
      InputError: the file is damaged.
    """
    if not self.path.is_file():
      return None
    try:
      with safe_open(self.path, framework="numpy") as file:
        header = file.metadata() or {}
        if header.get("identity") != self.identity:
          return None
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, int(header["done"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
      raise InputError(
        f"{self.path}: state of an interrupted run is damaged ({error});"
        " delete it to start over"
      ) from error

  def save(self, arrays: Mapping[str, Array], done: int) -> None:
    """Replaces the file atomically."""
    host = {name: np.asarray(jax.device_get(a)) for name, a in arrays.items()}
    header = {"identity": self.identity, "done": str(done)}
    with atomic_path(self.path) as temporary:
      temporary.write_bytes(save(host, header))

  def remove(self) -> None:
    """When the result is safe."""
    self.path.unlink(missing_ok=True)


def digest(tree: Any, text: str = "") -> str:
  """SHA-256 of all arrays of a tree, their paths and a text.

  The same for both layouts of blocks (parallel.depth).
  """
  found = hashlib.sha256(text.encode())
  for path, leaf in stacked_leaves(tree):
    array = np.ascontiguousarray(jax.device_get(leaf))
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    found.update(f"{name} {array.dtype} {array.shape}".encode())
    found.update(array.tobytes())
  return found.hexdigest()
