"""Resumable work: numbered parts, each made in a folder of its own.

A part is written to part-00007.tmp and renamed when it is complete, so a
killed run loses only the parts that it was writing. A lock lets one process
at a time work in a folder, and ends with that process however it ends.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from pathlib import Path

from scenetok_jax.disk import check_writable
from scenetok_jax.io import kept, new_folders, remove_empty
from scenetok_jax.outputs import lock

MAX_SCENES = 64  # ours: a part of 64 clips at 256x256 is about 150 MB


def ranges(items: int, group: int = 1) -> list[range]:
  """Items 0 .. items - 1 cut into parts; a function of these numbers alone.

  group: parts hold multiples of this many items, except the last.
  """
  size = max(1, min(MAX_SCENES, -(-items // MAX_SCENES)))
  size = -(-size // group) * group
  return [range(i, min(i + size, items)) for i in range(0, items, size)]


def folder(root: Path, number: int) -> Path:
  """Where a finished part is."""
  return root / f"part-{number:05d}"


def run(
  root: Path,
  numbers: Sequence[int],
  task: Callable[[int], Callable[[Path], object]],
  workers: int = 0,
  done: Callable[[int], object] = lambda number: None,
) -> None:
  """Makes the parts that are not there yet.

  Args:
    root: folder of the parts.
    numbers: which parts.
    task: number -> function that writes that part into a new folder; the
      function is picklable where there are workers.
    workers: processes; 0 works in this one.
    done: called with the number of each part that is there, in any order.
  """
  waiting = []
  for number in numbers:
    if folder(root, number).exists():
      done(number)
    else:
      waiting.append(number)
  if workers <= 0 or len(waiting) <= 1:
    for number in waiting:
      done(_make(root, number, task(number)))
    return
  # spawn: forking a process that runs JAX threads can deadlock.
  context = multiprocessing.get_context("spawn")
  workers = min(workers, len(waiting))
  with concurrent.futures.ProcessPoolExecutor(
    workers, context, _end_with_parent
  ) as pool:
    futures = [
      pool.submit(_make, root, number, task(number)) for number in waiting
    ]
    try:
      for future in concurrent.futures.as_completed(futures):
        done(future.result())
    except BaseException:
      pool.shutdown(wait=False, cancel_futures=True)
      raise


def _end_with_parent() -> None:
  """Ends this worker once its parent was killed; it would wait for ever."""
  parent = multiprocessing.parent_process()
  assert parent

  def watch() -> None:
    connection.wait([parent.sentinel])
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()


def _make(root: Path, number: int, work: Callable[[Path], object]) -> int:
  final = folder(root, number)
  partial = final.with_suffix(".tmp")
  shutil.rmtree(partial, ignore_errors=True)  # of a killed run
  try:
    work(partial)
    partial.rename(final)
  except Exception:
    shutil.rmtree(partial, ignore_errors=True)
    raise
  return number


@contextlib.contextmanager
def storing(out: Path, root: Path) -> Iterator[None]:
  """Makes and locks the folder `root` below OUT, for the body to work in.

  Raises InputError: OUT cannot be made or written, for instance on a full disk,
  or another process works there. Finished parts stay for the same command to go
  on; where there is none, no folder stays that was not there.
  """
  check_writable(out)
  with kept(out), contextlib.ExitStack() as stack:
    stack.callback(remove_empty, new_folders(root))
    root.mkdir(parents=True, exist_ok=True)
    with lock(root):
      yield
