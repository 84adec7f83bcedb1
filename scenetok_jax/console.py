"""What every command shares: exit codes, usage errors, progress."""

import argparse
import contextlib
import dataclasses
import sys
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar, cast

from tqdm import tqdm

from scenetok_jax.types import InputError

_T = TypeVar("_T")
_LINE_SECONDS = 10.0  # between progress lines where stderr is not a terminal


class Parser(argparse.ArgumentParser):
  """ArgumentParser whose usage errors are InputErrors: one line, no usage."""

  def error(self, message: str) -> NoReturn:
    raise InputError(f"{message}; see {self.prog} --help")


def parser(verb: str, description: str) -> Parser:
  """Parser of `scenetok VERB`; options may not be abbreviated."""
  return Parser(
    prog=f"scenetok {verb}",
    description=description,
    allow_abbrev=False,
    formatter_class=argparse.ArgumentDefaultsHelpFormatter,
  )


def add_options(parser: Any, options: type, prefix: str = "") -> None:
  """A flag for every field of a dataclass that types.option describes.

  Args:
    parser: a parser or a group of one.
    options: the dataclass. bool fields are switches; tuples take as many
      values as they have members; "X | None" takes an X.
    prefix: before the name of every flag, such as "render-".
  """
  hints = typing.get_type_hints(options)
  for field in dataclasses.fields(options):
    if "help" not in field.metadata:
      continue
    parser.add_argument(
      *_flags(field, prefix),
      dest=prefix.replace("-", "_") + field.name,
      **_argument(hints[field.name], field),
    )


def take_options(
  args: argparse.Namespace, options: type[_T], prefix: str = "", **given: Any
) -> _T:
  """The dataclass with the values of add_options' flags.

  **given: fields that have no flag.
  """
  values = {
    field.name: getattr(args, prefix.replace("-", "_") + field.name)
    for field in dataclasses.fields(cast(Any, options))
    if "help" in field.metadata
  }
  pairs = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
  return options(**pairs, **given)


def add_union(parser: Any, kinds: Mapping[str, type]) -> None:
  """The flags of several dataclasses, of which one will be taken.

  A flag stands once, in a group called after those that have it; none has a
  value unless it is given. See `take_given`.

  Args:
    parser: a parser.
    kinds: the dataclasses by name; fields of one name share type and help.
  """
  owners = _owners(kinds)
  groups: dict[tuple[str, ...], Any] = {tuple(kinds): parser}
  for name, fields in owners.items():
    names = tuple(fields)
    if names not in groups:
      groups[names] = parser.add_argument_group(", ".join(names))
    field = next(iter(fields.values()))
    hint = typing.get_type_hints(kinds[names[0]])[name]
    argument = _argument(hint, field)
    argument["default"] = argparse.SUPPRESS
    argument["help"] += _defaults(fields)
    groups[names].add_argument(*_flags(field), dest=name, **argument)


def take_given(
  args: argparse.Namespace, kinds: Mapping[str, type], kind: str
) -> Any:
  """One of add_union's dataclasses, of the flags that were given.

  Raises:
    InputError: a flag that only others have.
  """
  given = {}
  for name, fields in _owners(kinds).items():
    if not hasattr(args, name):
      continue
    if kind not in fields:
      field = next(iter(fields.values()))
      only = field.metadata.get("elsewhere", f"only for {', '.join(fields)}")
      raise InputError(f"{_flags(field)[0]}: {only}")
    value = getattr(args, name)
    given[name] = tuple(value) if isinstance(value, list) else value
  return kinds[kind](**given)


def _owners(
  kinds: Mapping[str, type],
) -> dict[str, dict[str, dataclasses.Field]]:
  """{field name: {kind that has it: its field}}."""
  owners: dict[str, dict[str, dataclasses.Field]] = {}
  for kind, options in kinds.items():
    for field in dataclasses.fields(cast(Any, options)):
      if "help" in field.metadata:
        owners.setdefault(field.name, {})[kind] = field
  return owners


def _defaults(fields: Mapping[str, dataclasses.Field]) -> str:
  """ " (default: 64 for rooms, 256 for re10k, acid)"; "" for none."""
  kinds: dict[str, list[str]] = {}
  for kind, field in fields.items():
    if field.default not in (None, False, ()):
      kinds.setdefault(str(field.default), []).append(kind)
  if not kinds:
    return ""
  if len(kinds) == 1:
    return f" (default: {next(iter(kinds))})"
  each = (f"{value} for {', '.join(of)}" for value, of in kinds.items())
  return f" (default: {'; '.join(each)})"


def _flags(field: dataclasses.Field, prefix: str = "") -> list[str]:
  """The flag of a field, then its older names."""
  flag = field.metadata.get("flag", "--" + field.name.replace("_", "-"))
  names = [flag, *field.metadata.get("aliases", ())]
  return ["--" + prefix + name.removeprefix("--") for name in names]


def _argument(hint: Any, field: dataclasses.Field) -> dict[str, Any]:
  """What argparse needs to read a value of a field of this type."""
  own = ("flag", "aliases", "elsewhere")
  more = {k: v for k, v in field.metadata.items() if k not in own}
  more["default"] = field.default
  if "type" in more:
    return more
  if isinstance(hint, types.UnionType):
    (hint,) = (h for h in typing.get_args(hint) if h is not types.NoneType)
  if hint is bool:
    return {"action": "store_true", **more}
  if typing.get_origin(hint) is tuple:
    members = typing.get_args(hint)
    count = "*" if members[-1] is Ellipsis else len(members)
    return {"type": members[0], "nargs": count, **more}
  return {"type": hint, **more}


def run(
  main: Callable[[Sequence[str]], int | None],
  argv: Sequence[str] | None = None,
  verb: str | None = None,
) -> int:
  """Runs a verb's main(argv) and returns the exit code of the process.

  0 or what main returns; 2 after bad usage or bad input, told in one line on
  stderr; 130 after Ctrl-C. Other exceptions are bugs and pass through.
  """
  verb = verb or Path(main.__code__.co_filename).stem
  try:
    return main(sys.argv[1:] if argv is None else argv) or 0
  except InputError as error:
    message = " ".join(str(error).split())
    print(f"scenetok {verb}: error: {message}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print(f"scenetok {verb}: interrupted", file=sys.stderr)
    return 130


class Progress:
  """Progress with remaining time on stderr.

  A bar on a terminal, else a line every few seconds, so that log files stay
  short. Use as a context manager and call update().
  """

  def __init__(self, label: str, total: int | None = None, unit: str = "it"):
    self._label, self._total, self._unit = label, total, unit
    self._done = 0
    self._note = ""
    self._start = self._last_line = time.monotonic()
    self._marks = [(self._start, 0)]
    self._bar = (
      tqdm(desc=label, total=total, unit=unit, dynamic_ncols=True)
      if sys.stderr.isatty()
      else None
    )

  def update(self, count: int = 1, note: str = "") -> None:
    """Counts `count` more; `note` (such as a loss) is shown beside it."""
    self._done += count
    self._note = note or self._note
    if len(self._marks) < 3:
      self._marks.append((time.monotonic(), self._done))
    if self._bar is not None:
      self._bar.set_postfix_str(self._note, refresh=False)
      self._bar.update(count)
    elif time.monotonic() - self._last_line >= _LINE_SECONDS:
      self._print_line()

  def close(self) -> None:
    if self._bar is not None:
      self._bar.close()
    else:
      self._print_line()

  def __enter__(self) -> "Progress":
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self.close()

  def _rate(self, now: float) -> float | None:
    """Units per second, as soon as can be without the first two updates.

    A first one compiles; one before it counts what an interrupted run did.
    """
    for start, done in reversed(self._marks):
      if self._done > done and now > start:
        return (self._done - done) / (now - start)
    return None

  def _print_line(self) -> None:
    now = time.monotonic()
    line = tqdm.format_meter(
      self._done,
      self._total,
      now - self._start,
      ncols=0,
      prefix=self._label,
      unit=self._unit,
      postfix=self._note,
      rate=self._rate(now),
    )
    print(line, file=sys.stderr, flush=True)
    self._last_line = now


@contextlib.contextmanager
def follow(
  label: str, unit: str = "step"
) -> Iterator[Callable[[int, int], None]]:
  """A callback of (done, total) that shows a Progress, from its first call."""
  with contextlib.ExitStack() as stack:
    shown: list[Progress] = []
    last = 0

    def progress(done: int, total: int) -> None:
      nonlocal last
      if not shown:
        shown.append(stack.enter_context(Progress(label, total, unit)))
      if done > last:
        shown[0].update(done - last)
      last = done

    yield progress
