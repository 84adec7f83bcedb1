"""Text of files as messages show it: one line, escaped, short."""

from collections.abc import Sequence


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
