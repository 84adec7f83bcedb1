"""Values of files in messages: one line, escaped, short."""

import itertools

import pytest

from scenetok_jax.reading.shown import (
  escaped,
  inline,
  one_line,
  remark,
  say,
  shortened,
  shown,
)


@pytest.mark.parametrize(
  "value",
  [
    "\x1b[31mred\x1b]0;title\a",
    "x" * 10_000_000,
    b"\x1b" * 1000,
    ["\x1b"] * 1_000_000,
    {"\x1b": 1},
    10**4000,
    -(10**5000),
    "\u202eright to left",
    "\ud800",
    float("nan"),
    None,
  ],
  ids=itertools.count(),
)
def test_any_value_is_short_and_moves_no_cursor(value):
  found = shown(value)
  assert len(found) < 1000 and found.isprintable()
  found.encode()


def test_text_stays_as_it_is_where_it_can():
  assert escaped("Küche 厨房 😀") == "Küche 厨房 😀"
  assert escaped("a\x1bb\n") == "a\\x1bb\\n"
  assert shown("x") == "'x'" and shown(2.5) == "2.5"
  assert shortened("a" * 50 + "z" * 50, 30) == "a" * 20 + "..." + "z" * 7


def test_what_is_printed_moves_no_cursor_and_ends(capsys):
  say("a\x1b[2J", "| b |\n| \ud800 |", "x" * 10**6, inline("c\nd"))
  remark("e\nf\x1b]0;title\a")
  told = capsys.readouterr()
  first, *table, long, last = told.out.splitlines()
  assert first == "a\\x1b[2J" and table == ["| b |", "| \\ud800 |"]
  assert len(long) == 4000 and last == "c\\nd"
  assert told.err == "e f\\x1b]0;title\\x07\n"
  assert one_line("g \n  h\x1b") == "g h\\x1b"
