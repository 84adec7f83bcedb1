"""The lists of errors in docs/troubleshooting/, from every InputError raised.

`make docs-map` rewrites them. A message is read as the code has it: names of
what it is given become words in capitals.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "troubleshooting"
BEGIN, END = "<!-- errors: begin -->\n", "<!-- errors: end -->\n"
# Page: heading -> modules or folders whose errors stand below it.
PAGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
  "preparing": {
    "Sources of scenes": ("data_pipelines/sources",),
    "Photos without poses": ("data_pipelines/photos",),
    "Rooms": ("data_pipelines/rooms", "data_pipelines/furnished"),
    "Prepared data": ("data_pipelines/storage", "data_pipelines/inspection"),
  },
  "files": {
    "Cameras and lenses": ("scenetok_jax/geometry",),
    "Pictures, videos, JSON": ("scenetok_jax/reading", "scenetok_jax/media.py"),
    "Flags and outputs": tuple(
      f"scenetok_jax/{name}.py"
      for name in ("console", "disk", "flags", "io", "outputs", "types")
    ),
  },
  "training": {
    "Configuration and workdir": (
      *("scenetok_jax/workdir", "scenetok_jax/model.py", "scenetok_jax/ops"),
    ),
    "Examples and latents": (
      *("data_pipelines/loading", "data_pipelines/latents"),
      "data_pipelines/identity.py",
    ),
    "Training": ("scenetok_jax/train",),
    "Devices and processes": ("scenetok_jax/parallel", "scenetok_jax/aot"),
  },
  "rendering": {
    "Scenes and views": ("scenetok_jax/inference", "scenetok_jax/cli"),
    "Sampling": ("scenetok_jax/sampling", "scenetok_jax/flow"),
    "Codecs": ("scenetok_jax/codecs",),
    "Viewer": ("scenetok_jax/viewer",),
  },
  "evaluation": {
    "Evaluation and tables": ("scenetok_jax/evaluation",),
    "Metrics": ("scenetok_jax/metrics",),
    "Index files and views": ("data_pipelines/views",),
    "Analyses": ("scenetok_jax/analyses",),
  },
  "checkpoints": {
    "Converting": ("scenetok_jax/convert",),
    "Parity": ("scenetok_jax/parity",),
    "Sharing": ("scenetok_jax/sharing",),
  },
}
_RAISED = {"InputError", "_error"}
_COUNTS = {"len", "sum", "min", "max"}
_WORDS = {"error": "REASON", "exc": "REASON", "remedy": "", "_": "..."}


class Told(NamedTuple):
  """One error: what it says is wrong, and what it says to do."""

  wrong: str
  remedy: str


def _name(node: ast.expr) -> str:
  """The last name of `a.b.c` or `c`, "" for anything else."""
  if isinstance(node, ast.Name):
    return node.id
  return node.attr if isinstance(node, ast.Attribute) else ""


def _word(node: ast.expr, constants: Mapping[str, str]) -> str:
  """What stands for a value in a message."""
  match node:
    case ast.Constant():
      return str(node.value)
    case ast.Name() | ast.Attribute():
      name = _name(node)
      return constants.get(name) or _WORDS.get(name, name.strip("_").upper())
    case ast.Subscript():
      return _word(node.value, constants)
    case ast.Call(func=func, args=[first, *_]) if _name(func) not in _COUNTS:
      return _word(first, constants)
    case ast.Call(func=func):
      return "N" if _name(func) in _COUNTS else _word(func, constants)
    case _:
      return "..."


def _said(node: ast.expr, constants: Mapping[str, str]) -> str:
  """A message as text."""
  match node:
    case ast.JoinedStr(values=values):
      return "".join(_said(value, constants) for value in values)
    case ast.FormattedValue(value=value):
      return _word(value, constants)
    case ast.BinOp(left=left, op=ast.Add(), right=right):
      return _said(left, constants) + _said(right, constants)
    case _:
      return _word(node, constants)


def told(path: Path) -> Iterator[Told]:
  """The errors of a module that have words of their own, as they come."""
  tree = ast.parse(path.read_text("utf-8"))
  constants = {
    name: node.value.value
    for node in tree.body
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    for name in map(_name, node.targets)
    if isinstance(node.value.value, str)
  }
  for node in ast.walk(tree):
    if not (isinstance(node, ast.Call) and node.args):
      continue
    if _name(node.func) in _RAISED:
      text = " ".join(_said(node.args[0], constants).split())
      wrong, _, remedy = text.rstrip("; ").partition("; ")
      if any(word.islower() for word in wrong.split()):
        yield Told(wrong, "" if remedy.isupper() else remedy)


def _first_words(error: Told) -> str:
  """What errors are sorted by: their words, not those of files and places."""
  words = error.wrong.split()
  while len(words) > 1 and words[0].isupper():
    words.pop(0)
  return " ".join(words).lower().lstrip("-'\"`")


def _cell(text: str) -> str:
  return text.replace("|", "\\|")


def _code(text: str) -> str:
  return f"`{_cell(text.replace('`', chr(39)))}`"


def row(error: Told) -> str:
  """Its row of a list."""
  return f"| {_code(error.wrong)} | {_cell(error.remedy)} |"


def _files(places: Iterable[str]) -> set[Path]:
  return {
    file
    for place in map(ROOT.joinpath, places)
    for file in (place.rglob("*.py") if place.is_dir() else [place])
  }


def _lists() -> dict[str, dict[str, set[Path]]]:
  """PAGES with the files of each list; the last one has all others."""
  found = {
    name: {title: _files(places) for title, places in lists.items()}
    for name, lists in PAGES.items()
  }
  listed = set[Path]().union(*(f for x in found.values() for f in x.values()))
  others = _files(("scenetok_jax", "data_pipelines")) - listed
  if any(any(told(file)) for file in others):
    found["files"]["Others"] = others
  return found


def table(files: Iterable[Path]) -> Iterator[str]:
  """The lines of one list."""
  found = {error for file in files for error in told(file)}
  yield from ("| the line says | what to do |", "|---|---|")
  for error in sorted(found, key=lambda error: (_first_words(error), error)):
    yield row(error)


def pages() -> dict[Path, str]:
  """Each page with its lists as they should be."""
  made = {}
  for name, lists in _lists().items():
    path = FOLDER / f"{name}.md"
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    tables = [
      "\n".join(["", f"## {title}", "", *table(files), ""])
      for title, files in lists.items()
    ]
    after = rest.partition(END)[2]
    made[path] = "".join([before, BEGIN, *tables, "\n", END, after])
  return made
