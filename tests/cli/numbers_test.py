"""Every verb's every number x {0, -1, 10^9, 10^30, nan, inf, empty, text}.

`python -m tests.cli.numbers_test` prints the table of docs/robustness.md.
"""

import functools

import pytest

from scenetok_jax import console, flags
from scenetok_jax.analyses.registry import ANALYSES
from scenetok_jax.cli import main
from scenetok_jax.types import InputError
from tests import page_tables

_NEVER = ("1" + "0" * 30, "nan", "inf", "-inf", "", "x", "-9223372036854775809")
_VERBS = [*main.VERBS.keys() - {"analyze"}, *(f"analyze {k}" for k in ANALYSES)]


class _Built(Exception):
  """args: the parser that a verb made."""


def _parser(verb, monkeypatch):
  def stop(parser, args=None, namespace=None):
    raise _Built(parser)

  with monkeypatch.context() as patch:
    patch.setattr(console.Parser, "parse_known_args", stop)
    name, *rest = verb.split()
    with pytest.raises(_Built) as caught:
      main.module(name).main([*rest, "--x"])
  parser = caught.value.args[0]
  for action in parser._actions:
    action.required = False
  return parser


def _numbers(parser):
  """(flag, its action) of every flag that takes numbers."""
  for action in parser._actions:
    kind = action.type
    reads = getattr(kind, "func", kind)
    whole = reads in (int, flags.whole)
    if action.option_strings and (whole or reads in (float, flags.finite)):
      yield action.option_strings[0], action, whole


def _taken(parser, flag, action, text):
  """Whether a value passes; else the error is one line about the flag."""
  count = action.nargs if isinstance(action.nargs, int) else 1
  line = [flag, *[text] * count] if action.nargs else [f"{flag}={text}"]
  try:
    _, rest = parser.parse_known_args(line)
  except InputError as error:
    told = str(error)
    assert "\n" not in told and flag in told and len(told) < 300
    return False
  return not rest


# What may be none or the first, and what may be as large as that.
_ZERO = {
  *("--seed", "--sheets", "--keep", "--views", "--epipolar", "--gap"),
  *("--breakdown", "--port"),
  *("--uncertainty-scale", "--render-uncertainty-scale", "--set-resamples"),
  *("--process-index", "--process-count", "--threads", "--workers", "--worst"),
  *("--holdout-every", "--frames-left-out", "--min-frames", "--first-scene"),
}
_SOME = {("stage", "--workers"), ("analyze context-views", "--views")}
_BELOW = {"--threads"}  # -1: all that the machine has
_BILLION = {"--seed", "--first-scene"}
_LEAST = {"--side": 64, "--features": 64}  # where it is not 1
# Numbers that are not whole: the least and the largest.
_SPANS = {
  **dict.fromkeys(("--guidance", "--render-guidance"), (0, 1000)),
  **dict.fromkeys(("--interval", "--render-interval"), (0, 1)),
  "--cache": (0, 1_000_000),
  "--confidence": (0, 1),
  "--degrees": (-36_000, 36_000),
  "--distance": (-1_000_000, 1_000_000),
  "--fov": (1, 170),
  "--lateral-offset": (0, 5),
  "--masked": (0, 100),
  "--max-jump": (0, 1_000_000),
  "--min-heading": (0, 180),
  "--max-error": (0, 1_000_000),
  "--min-registered": (0, 1),
  "--min-track": (0, 1_000_000),
  "--rate": (1e-3, 1e3),
  "--rescale": (1e-6, 1e6),
  "--seconds": (0, 86_400),
  "--std": (1e-3, 0.28),
}


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_numbers_of_every_verb(verb, monkeypatch):
  parser = _parser(verb, monkeypatch)
  for flag, action, whole in _numbers(parser):
    taken = functools.partial(_taken, parser, flag, action)
    for text in _NEVER:
      assert not taken(text), (flag, text)
    if whole:
      assert taken(f"{_LEAST.get(flag, 1)}"), flag
      assert taken("0") == (flag in _ZERO and (verb, flag) not in _SOME), flag
      assert taken("-1") == (flag in _BELOW), flag
      assert taken("1000000000") == (flag in _BILLION), flag
      assert not taken("2.5") and not taken("1e3"), flag
    else:
      low, high = _SPANS[flag]
      assert taken(f"{low}") and taken(f"{high}"), flag
      assert not taken(f"{low - 0.01}") and not taken(f"{high + 0.01}"), flag


def test_every_verb_with_numbers_is_looked_at(monkeypatch):
  found = {v: [*_numbers(_parser(v, monkeypatch))] for v in _VERBS}
  assert {verb for verb, numbers in found.items() if not numbers} <= {
    *("check-release", "compact", "convert", "goodput", "parity"),
    *("push", "quickstart", "runs", "train"),
  }


def table():
  """Flags by what they refuse, in Markdown."""
  tried = {"0": "0", "-1": "-1", "10^9": "1000000000", "10^30": "1" + "0" * 30}
  tried |= {"nan": "nan", "inf": "inf", "empty": "", "text": "x"}
  outcomes = []
  with pytest.MonkeyPatch.context() as patch:
    for verb in sorted(_VERBS):
      parser = _parser(verb, patch)
      for flag, action, _ in _numbers(parser):
        taken = functools.partial(_taken, parser, flag, action)
        found = ["" if taken(text) else "2" for text in tried.values()]
        outcomes.append((flag, found))
  return page_tables.grouped(["flags", *tried], outcomes)


def test_the_page_has_the_table():
  assert page_tables.in_page(table())


if __name__ == "__main__":
  print(table())
