"""Values against type hints."""

import dataclasses
import itertools
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from scenetok_jax.reading.schema import Between, Count, Name, checked
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class _Row:
  key: Name
  frames: Count
  held_out: tuple[Count, ...] = ()


class _Info(TypedDict):
  kind: Literal["a", "b"]
  share: NotRequired[Annotated[float, Between(0, 1)]]
  rows: NotRequired[list[_Row]]
  each: NotRequired[dict[str, bool | None]]
  size: NotRequired[tuple[int, str]]


def test_sound_values_become_what_the_type_says():
  found = checked({"key": "k", "frames": 3, "held_out": [1]}, _Row, "x", "y")
  assert found == _Row("k", 3, (1,))
  info = {"kind": "a", "share": 1, "size": [1, "s"], "more": [{}]}
  info |= {"rows": [{"key": "k", "frames": 0}], "each": {"a": None, "b": True}}
  assert checked(info, _Info, "x", "y") == {
    **info,
    "size": (1, "s"),
    "rows": [_Row("k", 0)],
  }


@pytest.mark.parametrize(
  "value, hint, problem",
  [
    ({"key": "k"}, _Row, "frames: missing"),
    ({"key": "k", "frames": 1, "x\x1b": 1}, _Row, r"x\x1b: unknown"),
    ({"key": "k", "frames": True}, _Row, "frames: True is not an integer"),
    ({"key": "k", "frames": 2.0}, _Row, "frames: 2.0 is not an integer"),
    ({"key": "k", "frames": "2"}, _Row, "frames: '2' is not an integer"),
    ({"key": "k", "frames": -1}, _Row, "frames: -1 is not from 0 to"),
    ({"key": "k", "frames": 10**18}, _Row, "frames: 1000000000000000000 is"),
    ({"key": "", "frames": 1}, _Row, "key: '' is not 1 to 255"),
    ({"key": "ä" * 128, "frames": 1}, _Row, "is not 1 to 255"),
    ({"key": "a\nb", "frames": 1}, _Row, "key: 'a\\nb' is not 1 to 255"),
    ({"key": "\ud800", "frames": 1}, _Row, "key: '\\ud800' is not 1 to 255"),
    ({"key": "a\0b", "frames": 1}, _Row, "key: 'a\\x00b' is not 1 to 255"),
    ({"key": "k", "frames": 1, "held_out": "12"}, _Row, "'12' is not a list"),
    ({"key": "k", "frames": 1, "held_out": [1, None]}, _Row, "held_out[1]"),
    ([], _Row, "a list of 0 is not an object"),
    ({"kind": ["a"]}, _Info, "kind: a list of 1 is not one of ('a', 'b')"),
    ({"kind": "a", "share": 2}, _Info, "share: 2 is not from 0 to 1"),
    ({"kind": "a", "share": float("nan")}, _Info, "share: nan is not a finite"),
    ({"kind": "a", "rows": [{"key": 1}]}, _Info, "rows[0].frames: missing"),
    ({"kind": "a", "each": {"b": 1}}, _Info, "each.b: 1 is not true or false"),
    ({"kind": "a", "size": [1]}, _Info, "size: a list of 1 is not a list of 2"),
    ({"kind": "a", "x" * 1_000_000: 1, "size": 1}, _Info, "1 is not a list"),
  ],
  ids=itertools.count(),
)
def test_other_values_are_told_by_place(value: Any, hint: Any, problem: str):
  with pytest.raises(InputError) as error:
    checked(value, hint, "FILE", "mend it")
  told = str(error.value)
  assert told.startswith("FILE: ") and told.endswith("; mend it")
  assert problem in told and len(told) < 400
