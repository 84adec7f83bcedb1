"""Hostile values of flags that take text and paths: one line, exit code 2.

No command here can succeed: each names a model or data that are not there, or
a flag that no verb has. Numbers are those of tests/cli/numbers_test.py.
"""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenetok_jax.cli import main as scenetok
from tests.cli.numbers_test import _VERBS, _numbers, _parser
from tests.fuzz.limits import check_line, fuzz, limited, tree
from tests.fuzz.mutations import NAMES

pytestmark = pytest.mark.fuzz

_TEXTS = [
  *(name for name in NAMES if name != "/etc/passwd"),
  *("in", "in/file.txt", "in/../in", "in/file.txt/x", "in/pipe", "in/loop"),
  *("in/gone", "new", "new/deeper/file.json", "secret.txt", "secret.txt/x"),
  *("/dev/full", "/dev/null", "/proc/self/mem", "/dev/stdin"),
  # Buckets are asked for long where there is no network.
  *("gs://", "http://h/x", "file:///etc", "://", "C:\\x"),
  *("~", "$HOME", "{0}", "%s", "*", "?", "-", "--", "'", '"', "a,b", "1:2"),
  *("0,1,2", "(1,2)", "None", "True", "1x1", "0x0", "999999x999999"),
  "a" * 5000,
  *("block_dct", "train", "all", "configs/rooms.py", "\N{SNOWMAN}"),
]  # fmt: skip


_ENOUGH = ("quickstart", "check-release", "stage")  # what is there serves them


def _fill(folder):
  """What names may lead to."""
  (folder / "in").mkdir()
  (folder / "in/file.txt").write_text("the user's")
  (folder / "secret.txt").write_text("the user's")
  os.mkfifo(folder / "in/pipe")
  (folder / "in/loop").symlink_to("loop")
  (folder / "in/gone").symlink_to("nowhere")


def _text_flags(parser):
  """Flags, and "" for a positional argument, that take no numbers."""
  numbers = {flag for flag, *_ in _numbers(parser)}
  for action in parser._actions:
    flag = action.option_strings[0] if action.option_strings else ""
    if action.nargs != 0 and flag not in numbers:
      yield flag


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_hostile_flags(verb, tmp_path, monkeypatch, capfd):
  flags = [*_text_flags(_parser(verb, monkeypatch))]
  assert flags
  _fill(tmp_path)
  monkeypatch.chdir(tmp_path)
  before = tree(tmp_path)

  @fuzz(cost=8)
  @given(st.lists(st.tuples(st.sampled_from(flags), st.sampled_from(_TEXTS))))
  def hostile(given_flags):
    words = [f"{flag}={text}" if flag else text for flag, text in given_flags]
    # argparse takes a lone word that begins so for a flag.
    words = [word for word in words if not word.startswith("-") or "=" in word]
    if verb in _ENOUGH:
      words.append("--nothing")
    capfd.readouterr()
    with limited():
      code = scenetok.main([*verb.split(), *words])
    told = capfd.readouterr()
    assert code == 2
    check_line(told.err.removesuffix("\n"))
    assert told.err.startswith(f"scenetok {verb.split()[0]}")
    assert tree(tmp_path) == before and not told.out

  hostile()
