"""What a reader may take and touch: seconds, memory, files, words."""

import contextlib
import os
import re
import resource
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings
from PIL import Image

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
SECONDS = 5.0  # of this process's time
WALL = 60.0  # a machine may be busy; a reader that waits does not end
GROWTH = 512 << 20  # bytes
_ADDRESSES = 16 << 30  # more than that is asked for, even if never touched


def fuzz(cost: int = 1) -> settings:
  """EXAMPLES of a test, or fewer where one costs more; the same every time."""
  return settings(
    max_examples=max(EXAMPLES // cost, 1),
    derandomize=True,
    deadline=None,  # SECONDS are of the reader alone
    database=None,
    suppress_health_check=list(HealthCheck),
  )


class Hangs(BaseException):
  """Not an Exception: no reader may catch it."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
  """The body ends in time and memory, and Python warns of nothing.

  AssertionError or Hangs where not: a warning would be lines on stderr.
  """

  def stop(*_: object) -> None:
    raise Hangs(f"more than {WALL} s")

  before, start = signal.signal(signal.SIGALRM, stop), time.process_time()
  addresses = resource.getrlimit(resource.RLIMIT_AS)
  held, used = _reset_peak(), _status("VmSize")
  try:
    signal.setitimer(signal.ITIMER_REAL, WALL)
    resource.setrlimit(resource.RLIMIT_AS, (used + _ADDRESSES, addresses[1]))
    with warnings.catch_warnings(record=True) as told:
      for kind in (RuntimeWarning, UserWarning):
        warnings.simplefilter("always", kind)
      # As Python and reading/images.py do, which pytest undoes.
      warnings.simplefilter("ignore", DeprecationWarning)
      warnings.simplefilter("ignore", Image.DecompressionBombWarning)
      yield
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    resource.setrlimit(resource.RLIMIT_AS, addresses)
    signal.signal(signal.SIGALRM, before)
  assert not told, str(told[0])
  assert time.process_time() - start < SECONDS
  assert _status("VmHWM") - held < GROWTH


def _reset_peak() -> int:
  """Bytes in memory, from which the kernel now counts the peak (VmHWM)."""
  with contextlib.suppress(OSError):  # a sandbox: the peak so far counts
    Path("/proc/self/clear_refs").write_text("5")
  return _status("VmHWM")


def _status(field: str) -> int:
  """Bytes that the kernel tells of this process."""
  status = Path("/proc/self/status").read_text()
  found = re.search(rf"{field}:\s+(\d+) kB", status)
  assert found
  return int(found[1]) << 10


def tree(root: Path) -> dict[str, tuple[int, int]]:
  """{name: (size, time of change)} of all below a folder."""
  found = {}
  for folder, folders, files in os.walk(root):
    for name in (*folders, *files):
      path = os.path.join(folder, name)
      status = os.lstat(path)
      found[path] = status.st_size, status.st_mtime_ns
  return found


def check_line(told: str) -> None:
  """AssertionError unless an error is one short printable line."""
  assert told and told.isprintable() and len(told) <= 4100, told[:300]
