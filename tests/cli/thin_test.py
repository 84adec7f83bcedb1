"""A command is a face of the library: every verb has one short file."""

import importlib.util
from pathlib import Path

import pytest

from scenetok_jax.cli import main

_FILES = sorted((Path(__file__).parents[2] / "scenetok_jax/cli").glob("*.py"))
_LONGEST, _ALL = 90, 2000


def _lines(file):
  return len(file.read_text().splitlines())


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_a_file_parses_calls_and_prints(file):
  assert _lines(file) <= _LONGEST


def test_all_commands_together_are_a_small_part():
  assert sum(map(_lines, _FILES)) < _ALL


def test_every_verb_has_a_module_and_every_module_a_verb():
  names = {verb.replace("-", "_") for verb in main.VERBS}
  assert names | {"main", "__init__", "__main__"} == {f.stem for f in _FILES}
  assert all(
    importlib.util.find_spec(f"scenetok_jax.cli.{name}") for name in names
  )
