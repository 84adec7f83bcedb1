"""JSON of files: the only place that parses what others may have written.

Limits hold before anything grows or recurses: bytes, nesting, digits. Refused
are also what readers of JSON disagree about: names that stand twice, NaN and
infinities, numbers beyond float64. Strings may hold anything: see schema.Text.
"""

import codecs
import json
import math
import os
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from scenetok_jax.reading import files
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError, explained

MAX_BYTES = 64 << 20  # of a document, and of a line of JSON lines
MAX_DEPTH = 64
_MAX_DIGITS = 20  # 2**64 has as many
_MAX_FLOAT = 1_100  # characters; float64 written out exactly has fewer
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_STRING = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def read_json(
  path: str | os.PathLike, remedy: str = "write it again", **how: Any
) -> Any:
  """The document in a file; how: see parse.

  InputError, with the remedy: no regular file, too large, or as for parse.
  """
  name = os.fspath(path)
  with (
    explained(f"{name}: cannot be read", remedy, OSError),
    explained(f"{name}: not found", remedy, FileNotFoundError),
  ):
    data = files.read_bytes(path, MAX_BYTES)
  return parse(data, name, remedy, **how)


def parse(
  data: bytes,
  where: str,
  remedy: str = "write it again",
  *,
  root: type = dict,
  pairs: bool = False,
  nan: bool = False,
) -> Any:
  """A document whose root is a `root`: UTF-8, or UTF-16 with its mark.

  pairs: objects are lists of (name, value), where names may stand twice. nan:
  NaN and Infinity are numbers. InputError "WHERE: ...; REMEDY".
  """
  kinds = (ValueError, RecursionError)
  with explained(f"{where}: not valid JSON", remedy, *kinds):
    value = _parse(data, pairs, nan)
  if type(value) is not root:
    kind = "object" if root is dict else root.__name__
    raise InputError(
      f"{where}: holds a {type(value).__name__}, not an {kind}; {remedy}"
    )
  return value


def read_rows(
  path: str | os.PathLike, remedy: str = "write it again", **how: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Each object of a file of JSON lines, after its place "PATH: line 3".

  InputError as for read_json; it names the line, too.
  """
  name = os.fspath(path)
  with (
    explained(f"{name}: cannot be read", remedy, OSError),
    explained(f"{name}: not found", remedy, FileNotFoundError),
    files.open_file(path) as file,
  ):
    lines = iter(lambda: file.readline(MAX_BYTES + 1), b"")
    for number, line in enumerate(lines, start=1):
      where = f"{name}: line {number}"
      yield where, parse(line, where, remedy, **how)


def _parse(data: bytes, pairs: bool, nan: bool) -> Any:
  if data.startswith(_UTF_16):  # as some editors of Windows write
    data = data.decode("utf-16").encode()
  if len(data) > MAX_BYTES:
    raise ValueError(f"larger than {MAX_BYTES:,} bytes")
  if _depth(data) > MAX_DEPTH:
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
  return json.loads(
    data.decode("utf-8-sig"),
    parse_int=_integer,
    parse_float=_number,
    parse_constant=float if nan else _constant,
    object_pairs_hook=list if pairs else _object,
  )


def _depth(data: bytes) -> int:
  """The most brackets that are open at once, outside strings."""
  if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
    return 0
  steps = (_STEP[b] for b in _BRACKET.findall(_STRING.sub(b"", data)))
  return max(accumulate(steps), default=0)


def _integer(text: str) -> int:
  if len(text) > _MAX_DIGITS + text.startswith("-"):
    raise ValueError(f"an integer of {len(text)} digits")
  return int(text)


def _number(text: str) -> float:
  value = float(text) if len(text) <= _MAX_FLOAT else math.inf
  if not math.isfinite(value):
    raise ValueError(f"{shown(text)} is beyond float64")
  return value


def _constant(text: str) -> float:
  raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  """JSON itself would silently keep the last of two values."""
  found = dict(pairs)
  if len(found) < len(pairs):
    seen: set[str] = set()
    twice = next(n for n, _ in pairs if n in seen or seen.add(n))  # type: ignore[func-returns-value]
    raise ValueError(f"{shown(twice)} is listed twice")
  return found
