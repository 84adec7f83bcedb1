"""What the documentation tells people to type is understood."""

import importlib
import re

import pytest

from scenetok_jax import console
from scenetok_jax.cli import main
from scenetok_jax.workdir.config import load_config
from tests.docs.commands import (
  PAGES,
  ROOT,
  commands,
  make_targets,
  mentions,
  scripts,
)

# What a page writes where a number stands: --batch=N.
_NUMBER = re.compile(r"^(--[\w.-]+)=(?:[A-Z]|SHIFT)$")
# Configurations that are ours, by path or name.
_OURS = re.compile(r"(?:configs/)?[a-z0-9_]+(?:\.py)?(?::[a-z0-9_,]+)?$")

pages = pytest.mark.parametrize(
  "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)


class _Parsed(Exception):
  """Ends a command as soon as its flags are understood."""


@pytest.fixture
def parse(monkeypatch):
  """(verb, arguments) -> (flags, the rest); the verb does nothing more."""
  known = console.Parser.parse_known_args

  def parse_known(self, args=None, namespace=None):
    raise _Parsed(*known(self, args, namespace))

  def parse_all(self, args=None, namespace=None):
    found, rest = known(self, args, namespace)
    if rest:
      self.error(f"unrecognized arguments: {' '.join(rest)}")
    raise _Parsed(found, rest)

  monkeypatch.setattr(console.Parser, "parse_known_args", parse_known)
  monkeypatch.setattr(console.Parser, "parse_args", parse_all)

  def run(verb, arguments):
    with pytest.raises(_Parsed) as parsed:
      _module(verb).main(arguments)
    return parsed.value.args

  return run


def _module(verb):
  assert verb in main.VERBS
  return importlib.import_module(f"scenetok_jax.cli.{verb.replace('-', '_')}")


@pages
def test_commands_are_understood(page, parse, monkeypatch, tmp_path):
  monkeypatch.chdir(ROOT)
  for verb, *rest in dict.fromkeys(commands(page, tmp_path)):
    if "--help" in rest or verb.startswith("-"):
      continue
    words = [_NUMBER.sub(r"\1=1", word) for word in rest]
    try:
      args, overrides = parse(verb, words)
      config = getattr(args, "config", None)
      if config and _OURS.match(config):
        load_config(config, overrides)
    except ValueError as error:
      pytest.fail(f"scenetok {verb} {' '.join(words)}: {error}")


@pages
def test_flags_in_the_prose_exist(page, capsys):
  for verb, flags in mentions(page):
    if verb in ("VERB", "--help", "--version") or not flags:
      continue
    if verb == "analyze":
      continue  # its flags are its kinds'; test_commands reads them
    with pytest.raises(SystemExit):
      _module(verb).main(["--help"])
    told = capsys.readouterr().out
    assert all(flag in told for flag in flags), (verb, flags)


@pages
def test_make_targets_and_scripts_exist(page):
  targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
  assert make_targets(page) <= set(targets)
  assert not [name for name in scripts(page) if not (ROOT / name).is_file()]
