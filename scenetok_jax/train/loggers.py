"""Where the rows of a run go: JSON lines, TensorBoard, Weights & Biases."""

import contextlib
import hashlib
import json
import pathlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.io import absolute, is_url, to_plain, write_text
from scenetok_jax.reading.files import read_bytes
from scenetok_jax.reading.json_text import parse
from scenetok_jax.types import InputError, explained

_MOST_BYTES = 1 << 30  # ours: rows of ten million steps
_FLUSH_SECONDS = 1.0  # that TensorBoard may be late

# (kind, "train" or "eval", step, named numbers)
Logger = Callable[[str, int, Mapping[str, float]], None]


def drop_rows(path: pathlib.Path, start_step: int) -> None:
  """Drops lines of steps after start_step, and one that a kill cut off.

  They come again.
  """
  if path.exists():
    kept = [row for row in read_rows(path) if row["step"] <= start_step]
    text = "".join(json.dumps(row) + "\n" for row in kept)
    if text.encode() != read_bytes(path, _MOST_BYTES):
      write_text(path, text, sync=True)


class RowFiles:
  """Appends rows to files of JSON lines, in batches that are closed at once.

  A bucket uploads the whole file at each close, and a kill loses what was not
  closed. Where writing is quick (10 ms) every row is written as it comes; else
  rows wait 20 times as long as writing takes, 30 s at most, for a thread.
  """

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder, self._writing = folder, threading.Lock()
    self.held: deque[tuple[str, str]] = deque()  # file names, lines
    self._timer: threading.Timer | None = None
    self._seconds, self._next = 0.0, 0.0
    self._error: InputError | None = None

  def add(self, name: str, row: dict[str, Any]) -> None:
    """Adds a line to a file; InputError on a full disk."""
    line = json.dumps(to_plain(row, words=True), allow_nan=False) + "\n"
    self.held.append((name, line))
    wait = self._next - time.monotonic()
    if self._error or (wait <= 0 and self._seconds < 0.01):
      self.flush()
    elif self._timer is None:
      self._timer = threading.Timer(max(wait, 0), self._flush_later)
      self._timer.daemon = True
      self._timer.start()

  def flush(self) -> None:
    """Writes what waits."""
    with self._writing:
      # First: a row that sees the timer is one of those taken below.
      timer, self._timer = self._timer, None
      if timer is not None:
        timer.cancel()
      if self._error:
        raise self._error
      start, lines = time.monotonic(), defaultdict[str, str](str)
      while self.held:
        name, line = self.held.popleft()
        lines[name] += line
      for name, text in lines.items():
        _append(self._folder / name, text)
      if lines:
        self._seconds = time.monotonic() - start
        self._next = time.monotonic() + min(20 * self._seconds, 30.0)

  def _flush_later(self) -> None:
    try:
      self.flush()
    except InputError as error:
      self._error = error  # for the next caller


def _append(path: pathlib.Path, lines: str) -> None:
  # Nothing is lost: the same command goes on from the last checkpoint.
  remedy = "free space there and start again"
  with explained(f"{path}: cannot be written", remedy, Exception):
    if is_url(path):  # an object cannot grow
      path.write_text(
        (path.read_text(encoding="utf-8") if path.exists() else "") + lines,
        encoding="utf-8",
      )
      return
    with path.open("a", encoding="utf-8") as file:
      file.write(lines)


def read_lines(path: pathlib.Path) -> list[bytes]:
  """The lines of a file, none where there is no file.

  InputError where it is no regular file, or no run's: too large.
  """
  if not path.exists():
    return []
  with explained(f"{path}: cannot be read", "restore it", OSError):
    return read_bytes(path, _MOST_BYTES).splitlines()


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """The whole rows of a file of JSON lines, none where there is no file."""
  rows = []
  for line in read_lines(path):
    with contextlib.suppress(InputError):
      rows.append(parse(line, str(path)))
  return [row for row in rows if isinstance(row.get("step"), int)]


def open_loggers(
  folder: pathlib.Path,
  config: ConfigDict,
  stack: contextlib.ExitStack,
  start_step: int = 0,
) -> list[Logger]:
  """TensorBoard where tensorboardX imports; W&B where a project is named.

  TensorBoard's files are not written to buckets; it drops what they hold of
  steps after start_step. The stack closes them.
  """
  found = [_wandb(folder, config, stack)] if config.train.wandb else []
  if not is_url(folder):
    with contextlib.suppress(ImportError):
      found.append(_tensorboard(folder / "tensorboard", start_step, stack))
  return found


def _tensorboard(
  folder: pathlib.Path, start_step: int, stack: contextlib.ExitStack
) -> Logger:
  """Events as they come, in a file for each start.

  Not by its SummaryWriter: that hands them to a thread, and once a full disk
  has ended the thread it waits for ever.
  """
  from tensorboardX.event_file_writer import EventsWriter
  from tensorboardX.proto.event_pb2 import Event, SessionLog
  from tensorboardX.proto.summary_pb2 import Summary

  flushed = -_FLUSH_SECONDS
  how = f"{folder}: cannot be written", "free space there and start again"

  def write(event: Any) -> None:
    nonlocal flushed
    with explained(*how, OSError):
      writer.write_event(event)
      if time.monotonic() - flushed >= _FLUSH_SECONDS:
        writer.flush()
        flushed = time.monotonic()

  def log(kind: str, step: int, row: Mapping[str, float]) -> None:
    values = [
      Summary.Value(tag=f"{kind}/{name}", simple_value=value)
      for name, value in row.items()
    ]
    summary = Summary(value=values)
    write(Event(step=step, wall_time=time.time(), summary=summary))

  with explained(*how, OSError):
    folder.mkdir(parents=True, exist_ok=True)
    writer = EventsWriter(str(folder / "events"), f".{start_step}")
  stack.callback(_closed, writer)
  start = SessionLog(status=SessionLog.START)
  write(Event(step=start_step + 1, wall_time=time.time(), session_log=start))
  return log


def _closed(writer: Any) -> None:
  with contextlib.suppress(OSError):  # the run itself is done
    writer.close()


def _wandb(
  folder: pathlib.Path, config: ConfigDict, stack: contextlib.ExitStack
) -> Logger:
  remedy = "pip install -e '.[wandb]', or set it to \"\""
  problem = "config: train.wandb: wandb is not installed"
  with explained(problem, remedy, ImportError):
    import wandb
  # The same id for the same folder: a resumed run goes on in its own curves.
  digest = hashlib.sha256(str(absolute(folder)).encode()).hexdigest()
  run = wandb.init(
    project=config.train.wandb,
    name=folder.name,
    id=digest[:16],
    resume="allow",
    dir=None if is_url(folder) else str(folder),
    config=config.to_dict(),
  )
  stack.callback(run.finish)
  return lambda kind, step, row: run.log(
    {f"{kind}/{name}": value for name, value in row.items()}, step=step
  )
