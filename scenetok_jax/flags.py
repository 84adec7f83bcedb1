"""Dataclasses of options as flags of a command, and back."""

import argparse
import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast

from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

_T = TypeVar("_T")


def whole(text: str, low: float = 0, high: float = 10**9) -> int:
  """A whole number in a range, ends included."""
  value = int(text) if re.fullmatch("[+-]?[0-9]{1,20}", text) else None
  if value is None or not low <= value <= high:
    raise argparse.ArgumentTypeError(
      f"invalid value: {shown(text)} is not a whole number from {low} to {high}"
    )
  return value


def finite(text: str, low: float = -math.inf, high: float = math.inf) -> float:
  """A number that is neither NaN nor infinite, in a range, ends included."""
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value) or not low <= value <= high:
    span = "" if low == -math.inf else f" from {low:,g} to {high:,g}"
    raise argparse.ArgumentTypeError(
      f"invalid value: {shown(text)} is not a finite number{span}"
    )
  return value


def add_options(parser: Any, options: type, prefix: str = "") -> None:
  """A flag for every field of a dataclass that types.option describes.

  parser: one, or a group of one. prefix: before every name, as "render-".
  bool fields are switches; tuples take as many values as they have members;
  "X | None" takes an X.
  """
  hints = typing.get_type_hints(options, include_extras=True)
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
  """The dataclass of add_options' flags; **given are fields without one."""
  values = {
    field.name: getattr(args, prefix.replace("-", "_") + field.name)
    for field in dataclasses.fields(cast(Any, options))
    if "help" in field.metadata
  }
  pairs = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
  return options(**pairs, **given)


def add_union(parser: Any, kinds: Mapping[str, type]) -> None:
  """The flags of several dataclasses by name, of which one will be taken.

  A flag stands once, in a group called after those that have it; none has a
  value unless it is given. Fields of one name share type and help.
  """
  owners = _owners(kinds)
  groups: dict[tuple[str, ...], Any] = {tuple(kinds): parser}
  for name, fields in owners.items():
    names = tuple(fields)
    if names not in groups:
      groups[names] = parser.add_argument_group(", ".join(names))
    field = next(iter(fields.values()))
    hint = typing.get_type_hints(kinds[names[0]], include_extras=True)[name]
    argument = _argument(hint, field)
    argument["default"] = argparse.SUPPRESS
    argument["help"] += _defaults(fields)
    groups[names].add_argument(*_flags(field), dest=name, **argument)


def take_given(
  args: argparse.Namespace, kinds: Mapping[str, type], kind: str
) -> Any:
  """One of add_union's dataclasses; InputError for a flag of others alone."""
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


def ranged(hint: Any) -> Any:
  """What reads a flag of Annotated[int, Between(1, 9)], or of a plain type."""
  if typing.get_origin(hint) is not Annotated:
    return hint
  kind, limit = typing.get_args(hint)
  read: Any = finite if kind is float else whole
  return functools.partial(read, low=limit.low, high=limit.high)


def _argument(hint: Any, field: dataclasses.Field) -> dict[str, Any]:
  """What argparse needs to read a value of a field of this type."""
  own = ("flag", "aliases", "elsewhere")
  more = {k: v for k, v in field.metadata.items() if k not in own}
  more["default"] = field.default
  if "type" in more:
    return more
  if typing.get_origin(hint) in (types.UnionType, typing.Union):
    (hint,) = (h for h in typing.get_args(hint) if h is not types.NoneType)
  if hint is bool:
    return {"action": "store_true", **more}
  if typing.get_origin(hint) is tuple:
    members = typing.get_args(hint)
    count = "*" if members[-1] is Ellipsis else len(members)
    return {"type": ranged(members[0]), "nargs": count, **more}
  return {"type": ranged(hint), **more}
