"""Every analysis is there, and its options are flags."""

import dataclasses

import pytest

from scenetok_jax import console, flags
from scenetok_jax.analyses.registry import ANALYSES, get_analysis
from scenetok_jax.types import InputError


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_is_a_function_of_options_that_are_flags(name, capsys):
  analysis = get_analysis(name)
  assert callable(analysis.module.run)
  parser = console.parser("x", "does x")
  flags.add_options(parser, analysis.options_class)
  with pytest.raises(SystemExit):
    parser.parse_args(["--help"])
  help_text = capsys.readouterr().out
  for field in dataclasses.fields(analysis.options_class):
    flag = f"--{field.name.replace('_', '-')}"
    assert ("help" in field.metadata) == (flag in help_text)


def test_an_unknown_analysis_is_told_with_those_that_are_there():
  with pytest.raises(InputError, match=r"unknown kind 'colour'.*masking"):
    get_analysis("colour")


def test_shares_of_masked_tokens_are_percents():
  with pytest.raises(InputError, match="must lie between 0 and 100"):
    get_analysis("masking").options_class(masked=(0, 50, 120))
