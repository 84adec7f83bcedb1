"""A profiler trace of some steps."""

import jax

from scenetok_jax.io import is_url, locate
from scenetok_jax.types import InputError

FOLDER = "profile"


class Profiler:
  """Traces the steps of train.profile, such as "10:13", into the workdir.

  Look at it with TensorBoard's profile plugin or XProf. Step 1 compiles, so a
  window should not begin there.
  """

  def __init__(self, workdir: str, window: str) -> None:
    self._folder = locate(workdir) / FOLDER
    self._first, self._last = parse_window(window)
    if window and is_url(self._folder):
      raise InputError(
        f"config: train.profile: {window}: the profiler cannot write to"
        f" {workdir}; profile a few steps in a workdir on a file system"
      )
    self._running = False

  def before(self, step: int) -> None:
    """Starts the trace if this step is the first."""
    if step == self._first:
      jax.profiler.start_trace(str(self._folder))
      self._running = True

  def after(self, step: int, result: object) -> None:
    """Ends the trace after the last step, once its result is computed."""
    if self._running and step >= self._last:
      jax.block_until_ready(result)
      self.close()

  def close(self) -> None:
    """Ends a trace that the run's end has cut short."""
    if self._running:
      jax.profiler.stop_trace()
      self._running = False


def parse_window(window: str) -> tuple[int, int]:
  """'10:13' -> (10, 13); '' -> (-1, -1); InputError for anything else."""
  if not window:
    return -1, -1
  first, _, last = window.partition(":")
  if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
    raise InputError(
      f"config: train.profile: {window!r} is not a window of steps; give"
      " FIRST:LAST, such as 10:13"
    )
  return int(first), int(last)
