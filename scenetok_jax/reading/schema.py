"""Values of JSON against type hints: types, ranges, lengths, names.

A schema is a type: a dataclass, a TypedDict (which may hold more than it
names), list[X], tuple[X, ...], dict[str, X], X | None, int, float, str, bool.
typing.Annotated adds a Between or a Text.
"""

import dataclasses
import functools
import math
import re
import types
import typing
from typing import Annotated, Any, NamedTuple, cast

from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Between(NamedTuple):
  """A range of numbers, ends included."""

  low: float
  high: float


class Text(NamedTuple):
  """Of low to high bytes in UTF-8; no controls or halves of surrogates."""

  low: int
  high: int


Count = Annotated[int, Between(0, 1 << 40)]
Positive = Annotated[int, Between(1, 1 << 40)]
Few = Annotated[int, Between(1, 1 << 16)]  # made or held at once
Some = Annotated[int, Between(0, 1 << 16)]  # or none; a frame's number
Many = Annotated[int, Between(1, 10**6)]
Seed = Annotated[int, Between(0, 2**32 - 1)]  # no two draw the same
Guidance = Annotated[float, Between(0, 1000)]
Degrees = Annotated[float, Between(-36_000, 36_000)]
Distance = Annotated[float, Between(-1e6, 1e6)]  # scene units
Ratio = Annotated[float, Between(0, 1e6)]
Share = Annotated[float, Between(0, 1)]
Percent = Annotated[float, Between(0, 100)]
Angle = Annotated[float, Between(0, 180)]  # degrees between two directions
FieldOfView = Annotated[float, Between(1, 170)]  # degrees, of a straight lens
Seconds = Annotated[float, Between(0, 86_400)]
Name = Annotated[str, Text(1, 255)]


class _Wrong(Exception):
  """args: the place inside the value, and what is wrong there."""


def checked(value: Any, hint: Any, where: str, remedy: str) -> Any:
  """The value as the type says: lists as tuples, objects as dataclasses.

  InputError "WHERE: a.b[2]: 'x' is not an integer; REMEDY".
  """
  try:
    return _checked(value, hint)
  except _Wrong as error:
    place, problem = error.args
    place = f"{place.lstrip('.')}: " if place else ""
    raise InputError(f"{where}: {place}{problem}; {remedy}") from None


def _checked(value: Any, hint: Any) -> Any:
  kind, members = _parts(hint)
  if kind is Any:
    return value
  if kind is Annotated:
    return _limited(_checked(value, members[0]), members[1])
  if kind is typing.Literal:
    _check(value in members, value, f"one of {members}")
    return value
  if kind in (typing.NotRequired, typing.Required):
    return _checked(value, members[0])
  if kind in (types.UnionType, typing.Union):
    return _either(value, members)
  if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
    return _fields(value, kind)
  if kind is dict:
    _check(isinstance(value, dict), value, "an object")
    return {k: _member(k, v, members[1]) for k, v in value.items()}
  if kind in (list, tuple):
    return kind(_items(value, kind, members))
  return _plain(value, kind)


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple]:
  """tuple[int, str] -> (tuple, (int, str))."""
  return typing.get_origin(hint) or hint, typing.get_args(hint)


def _member(place: str | int, value: Any, hint: Any) -> Any:
  """_checked of what stands at an object's name or a list's number."""
  try:
    return _checked(value, hint)
  except _Wrong as error:
    inner, problem = error.args
    number = isinstance(place, int)
    own = f"[{place}]" if number else f".{shown(place)[1:-1]}"
    raise _Wrong(own + inner, problem) from None


def _plain(value: Any, kind: Any) -> Any:
  """bool is no number here; an integer is a float."""
  if kind is types.NoneType:
    _check(value is None, value, "null")
  elif kind is float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    _check(good and math.isfinite(value), value, "a finite number")
  else:
    names = {int: "an integer", str: "a string", bool: "true or false"}
    _check(type(value) is kind, value, names[kind])
  return value


def _either(value: Any, members: tuple) -> Any:
  """X | None."""
  if value is None and types.NoneType in members:
    return None
  (other,) = (m for m in members if m is not types.NoneType)
  return _checked(value, other)


def _items(value: Any, kind: type, members: tuple) -> list:
  _check(isinstance(value, list), value, "a list")
  if kind is tuple and members[-1] is not Ellipsis:
    _check(len(value) == len(members), value, f"a list of {len(members)}")
  else:
    members = members[:1] * len(value)
  pairs = enumerate(zip(value, members, strict=True))
  return [_member(i, v, m) for i, (v, m) in pairs]


def _fields(value: Any, kind: Any) -> Any:
  """A dataclass of an object's fields; of a TypedDict, the object itself."""
  _check(isinstance(value, dict), value, "an object")
  hints, needed = _hints(kind), _needed(kind)
  loose = typing.is_typeddict(kind)
  for name in sorted(needed - value.keys()):
    raise _Wrong(f".{name}", "missing")
  for name in () if loose else value.keys() - hints.keys():
    raise _Wrong(f".{shown(name)[1:-1]}", "unknown")
  found = {k: _member(k, v, hints[k]) for k, v in value.items() if k in hints}
  return {**value, **found} if loose else kind(**found)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
  return typing.get_type_hints(kind, include_extras=True)


@functools.cache
def _needed(kind: Any) -> frozenset[str]:
  if typing.is_typeddict(kind):
    return kind.__required_keys__
  none = dataclasses.MISSING
  return frozenset(
    field.name
    for field in dataclasses.fields(cast(Any, kind))
    if field.default is none and field.default_factory is none
  )


def _limited(value: Any, limit: Any) -> Any:
  if isinstance(limit, Between):
    inside = limit.low <= value <= limit.high
    _check(inside, value, f"from {limit.low:,} to {limit.high:,}")
  if isinstance(limit, Text):
    good = not _CONTROL.search(value)  # then it can be encoded
    good = good and limit.low <= len(value.encode()) <= limit.high
    problem = f"{limit.low} to {limit.high} bytes without control characters"
    _check(good, value, problem)
  return value


def _check(good: bool, value: Any, wanted: str) -> None:
  if not good:
    raise _Wrong("", f"{shown(value)} is not {wanted}")
