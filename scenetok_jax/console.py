"""What every command shares: exit codes, usage errors, progress."""

import argparse
import contextlib
import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from scenetok_jax import flags, io, outputs, streams
from scenetok_jax.disk import check_file
from scenetok_jax.flags import add_options
from scenetok_jax.reading.shown import one_line, remark
from scenetok_jax.types import InputError

Argv = Sequence[str] | None  # None: the arguments of this process

_EXIT_SECONDS = 20.0  # that a process that was refused has to end
_LINE_SECONDS = 10.0  # between progress lines where stderr is not a terminal


class Parser(argparse.ArgumentParser):
  """ArgumentParser whose usage errors are InputErrors: one line, no usage.

  A --json that cannot be written is one too, before any work is done, and so
  are a URL for a flag that takes none, an empty text, which as a path would be
  the current folder, and an output that is, holds or lies in what another flag
  names.
  """

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **kwargs)
    # type=int and type=float of any flag, in groups too.
    self.register("type", int, flags.whole)
    self.register("type", float, flags.finite)

  urls: tuple[str, ...] = ("workdir",)  # names of flags that take gs://
  # Names of flags that say where to write.
  places = ("out", "to", "estimate_poses")
  # Of flags for a report, which is one file, by its whole name.
  files = ("json", "markdown", "latex", "html", "table")
  # Names of flags that name no file, or files that the verb checks.
  words = (
    "scene",
    "split",
    "protocol",
    "metrics",
    "results",
    "context",
    "size",
  )

  def error(self, message: str) -> NoReturn:
    raise InputError(f"{message}; see {self.prog} --help")

  def parse_known_args(self, args=None, namespace=None):
    found, rest = super().parse_known_args(args, namespace)
    single = {a.dest for a in self._actions if a.nargs is None}
    for name, value in vars(found).items():
      flag = f"--{name.replace('_', '-')}"
      if value == [] and name in single:  # what argparse makes of --out=--
        raise InputError(f"{flag}: -- is no value")
      for text in value if isinstance(value, list) else [value]:
        if name not in self.urls and "://" in str(text):
          raise InputError(io.refused_url(flag, text))
        if text == "" and value != self.get_default(name):
          raise InputError(f"{flag}: is empty; give a value, or leave it out")
    self._check_outputs(vars(found))
    return found, rest

  def _check_outputs(self, values: Mapping[str, Any]) -> None:
    """InputError where an output cannot be written, or is in a source."""
    words = {*self.words, *(a.dest for a in self._actions if a.choices)}
    given = {
      dest: {f"--{dest.replace('_', '-')}": value}
      for dest, value in values.items()
      if dest not in words and value and isinstance(value, str | list)
    }
    sources: dict[str, Any] = {}
    for dest in given.keys() - {*self.places, *self.files}:
      sources |= given[dest]
    for dest in given.keys() & {*self.places}:
      outputs.check_apart(given[dest], sources)
    for dest in given.keys() & {*self.files}:
      outputs.check_apart(given[dest], sources, new=True)
      check_file(Path(values[dest]), *given[dest])


def parser(
  verb: str, description: str | None, *options: type, json: bool = False
) -> Parser:
  """Parser of `scenetok VERB`; options may not be abbreviated.

  options: dataclasses whose fields are flags, see flags.add_options. json:
  whether the command has --json FILE, see write_json.
  """
  found = Parser(
    prog=f"scenetok {verb}",
    description=description,
    allow_abbrev=False,
    formatter_class=argparse.ArgumentDefaultsHelpFormatter,
  )
  if json:
    text = "write the result here too"
    found.add_argument("--json", metavar="FILE", help=text)
  for kind in options:
    add_options(found, kind)
  return found


def write_json(args: argparse.Namespace, values: Any) -> None:
  """Writes a command's result where --json asks for it."""
  if args.json:
    io.write_json(args.json, values)


def script(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
  """Ends the process with what run(main) returns."""
  sys.exit(streams.guarded(lambda: run(main)))


def run(
  main: Callable[[Sequence[str]], int | None],
  argv: Argv = None,
  verb: str | None = None,
) -> int:
  """Runs a verb's main(argv) and returns the exit code of the process.

  0 or what main returns; 2 after bad usage or bad input, or where a disk is
  full or read-only, told in one line on stderr; 130 after Ctrl-C. Other
  exceptions are bugs and pass through.
  """
  verb = verb or Path(main.__code__.co_filename).stem
  for name in ("absl", "asyncio"):
    logging.getLogger(name).addFilter(_is_news)
  if sys.unraisablehook is sys.__unraisablehook__:
    sys.unraisablehook = _unraisable
  try:
    return main(sys.argv[1:] if argv is None else argv) or 0
  except InputError as error:
    remark(f"scenetok {verb}: error: {one_line(error)}")
    _end_soon(2)
    return 2
  except Exception as error:
    reason = io.storage_reason(error)
    if not reason:
      raise
    where = getattr(error, "filename", None) or "what was to be written"
    text = f"{where}: cannot be written ({reason}); {io.FREE}"
    remark(f"scenetok {verb}: error: {text}")
    _end_soon(2)
    return 2
  except KeyboardInterrupt:
    remark(f"scenetok {verb}: interrupted")
    return 130


def _is_news(record: logging.LogRecord) -> bool:
  """Whether no line of ours says it: Orbax logs a full disk with tracebacks."""
  error = record.exc_info[1] if record.exc_info else None
  return not io.storage_reason(error or Exception(record.getMessage()))


def _unraisable(found: Any) -> None:
  """Leaves out what threads of Orbax say of a save that failed."""
  if str(found.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(found)


def _end_soon(code: int) -> None:
  """Ends the process even where threads wait for ever for a full disk.

  Orbax's do, once a save of theirs has failed, and Python waits for them.
  """

  def watch() -> None:
    timer = threading.Timer(_EXIT_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()

  with contextlib.suppress(AttributeError, RuntimeError):
    # Called before Python waits; atexit's functions are called after that.
    threading._register_atexit(watch)  # type: ignore[attr-defined]


class Progress(contextlib.AbstractContextManager["Progress"]):
  """Progress with remaining time on stderr.

  A bar on a terminal, else a line every few seconds, so that log files stay
  short. Use as a context manager and call update().
  """

  def __init__(self, label: str, total: int | None = None, unit: str = "it"):
    self._meter = functools.partial(
      tqdm.format_meter, total=total, ncols=0, prefix=label, unit=unit
    )
    self.done, self._note = 0, ""
    self._start = self._last_line = time.monotonic()
    self._marks = [(self._start, 0)]
    self._bar: tqdm = tqdm(
      desc=label, total=total, unit=unit, dynamic_ncols=True, disable=None
    )  # disabled where stderr is no terminal

  def update(self, count: int = 1, note: str = "") -> None:
    """Counts `count` more; `note` (such as a loss) is shown beside it."""
    self.done += count
    self._note = note or self._note
    if len(self._marks) < 3:
      self._marks.append((time.monotonic(), self.done))
    self._bar.set_postfix_str(self._note, refresh=False)
    self._bar.update(count)
    late = time.monotonic() - self._last_line >= _LINE_SECONDS
    if self._bar.disable and late:
      self._print_line()

  def close(self) -> None:
    self._bar.close()
    if self._bar.disable:
      self._print_line()

  def __exit__(self, *error: object) -> None:
    self.close()

  def _rate(self, now: float) -> float | None:
    """Units per second, as soon as can be without the first two updates.

    A first one compiles; one before it counts what an interrupted run did.
    """
    for start, done in reversed(self._marks):
      if self.done > done and now > start:
        return (self.done - done) / (now - start)
    return None

  def _print_line(self) -> None:
    self._last_line = now = time.monotonic()
    state = {"elapsed": now - self._start, "rate": self._rate(now)}
    line = self._meter(self.done, postfix=self._note, **state)
    remark(line)


@contextlib.contextmanager
def follow(
  label: str, unit: str = "step"
) -> Iterator[Callable[[int, int], None]]:
  """A callback of (done, total) that shows a Progress, from its first call."""
  with contextlib.ExitStack() as stack:
    shown: Progress | None = None

    def progress(done: int, total: int) -> None:
      nonlocal shown
      if shown is None:
        shown = stack.enter_context(Progress(label, total, unit))
      if done > shown.done:
        shown.update(done - shown.done)

    yield progress
