"""How many files of the project a reader of the training code has to open."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ("scenetok_jax", "data_pipelines")


def imported(path: Path) -> Iterator[Path]:
  """Files of the project that a file imports, inside functions too."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f"{path}: a relative import"
      names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
      continue
    for name in names:
      if name.split(".")[0] in PROJECT:
        yield from defining_file(name.split("."))


def defining_file(parts: list[str]) -> Iterator[Path]:
  """The module that a.b.name is, or is defined in; no file for a folder."""
  for end in (len(parts), len(parts) - 1):
    path = ROOT.joinpath(*parts[:end]).with_suffix(".py")
    if path.is_file():
      yield path
      return


def closure(name: str) -> set[str]:
  found, waiting = set(), [ROOT / name]
  while waiting:
    path = waiting.pop()
    if path not in found:
      found.add(path)
      waiting += imported(path)
  return {str(path.relative_to(ROOT)) for path in found}


@pytest.mark.parametrize(
  "name, limit",
  [("scenetok_jax/train/step.py", 20), ("scenetok_jax/train/loop.py", 37)],
)
def test_a_reader_opens_few_files(name, limit):
  found = closure(name)
  assert len(found) <= limit, sorted(found)


def test_the_loop_knows_no_network():
  rooms = {name.split("/")[1] for name in closure("scenetok_jax/train/loop.py")}
  assert not rooms & {"nn", "codecs", "tokenizer", "decoder", "generator"}
