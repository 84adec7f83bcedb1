"""What reading costs: processor time and bytes, as the kernel counts them."""

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


def cores() -> int:
  """Processors that this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def cpu_seconds() -> float:
  """Processor time so far of this process and its living descendants.

  Without /proc: of this process and the descendants that have ended.
  """
  if not _PROC.joinpath("self/stat").exists():
    times = os.times()
    return sum(times[:4])
  return sum(map(_process_seconds, _descendants(os.getpid())))


def bytes_read() -> int | None:
  """Bytes that this process has asked of files; None where nobody counts.

  Reads that the page cache answers count; memory-mapped files do not.
  """
  try:
    lines = _PROC.joinpath("self/io").read_text("utf-8").splitlines()
  except OSError:
    return None
  return int(dict(line.split(": ") for line in lines)["rchar"])


def _descendants(process: int) -> Iterator[int]:
  """A process and all below it."""
  yield process
  for task in _PROC.joinpath(str(process), "task").glob("*/children"):
    try:
      children = task.read_text("utf-8").split()
    except OSError:
      continue  # ended meanwhile
    for child in children:
      yield from _descendants(int(child))


def _process_seconds(process: int) -> float:
  """Its own time, and that of its children that have ended."""
  try:
    text = _PROC.joinpath(str(process), "stat").read_text("utf-8")
  except OSError:
    return 0.0
  fields = text.rpartition(")")[2].split()  # the name may hold spaces
  return sum(int(value) for value in fields[11:15]) / _TICK
