"""Text of files as messages show it: one line, escaped, short.

What the project prints goes through `say` and `remark`: it may name what a
file holds, and a file may hold what moves a terminal's cursor.
"""

import sys
from collections.abc import Sequence

_LONGEST = 4000  # characters of a line


def escaped(text: str) -> str:
  """Without what moves a terminal's cursor: \\x1b for an escape character."""
  parts = (c if c.isprintable() else _escape(c) for c in text)
  return text if text.isprintable() else "".join(parts)


def _escape(character: str) -> str:
  return character.encode("unicode_escape", "surrogatepass").decode()


def shortened(text: str, limit: int) -> str:
  """At most so many characters: the middle of a longer text is left out."""
  head = limit * 2 // 3
  tail = limit - head - 3
  return text if len(text) <= limit else f"{text[:head]}...{text[-tail:]}"


def one_line(told: object) -> str:
  """An error or a note on one line that a terminal shows as it is."""
  return shortened(escaped(" ".join(str(told).split())), _LONGEST)


def say(*texts: str, flush: bool = False) -> None:
  """Prints results on stdout, line by line, each escaped and not endless."""
  lines = (line for text in texts for line in text.split("\n"))
  told = (shortened(escaped(line), _LONGEST) for line in lines)
  print(*told, sep="\n", flush=flush)


def remark(told: object) -> None:
  """Prints one line on stderr, now: progress, a note, a warning."""
  text = " ".join(str(told).splitlines())
  line = shortened(escaped(text), _LONGEST)
  print(line, file=sys.stderr, flush=True)


def inline(text: object, limit: int = 200) -> str:
  """Part of a line: no line break of a file becomes one of ours."""
  return shortened(escaped(str(text)), limit)


def sides(shape: Sequence[int]) -> str:
  """(height, width, ...) of an image as people say it: width first."""
  return f"{shape[1]}x{shape[0]}"


def shown(value: object, limit: int = 80) -> str:
  """A value of a file in a message: as repr writes it, but short."""
  if isinstance(value, str | bytes):
    more = "..." if len(value) > limit else ""
    return escaped(repr(value[:limit])) + more
  if isinstance(value, list | dict):
    return f"a {type(value).__name__} of {len(value)}"
  if isinstance(value, int) and value.bit_length() > 200:
    return f"an integer of {value.bit_length()} bits"
  return shortened(escaped(repr(value)), limit)
