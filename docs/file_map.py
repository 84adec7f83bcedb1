"""The map of files in docs/architecture/, from every module's first line.

`python docs/file_map.py` (or `make docs-map`) rewrites its pages, and the
lists of errors.py.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FOLDER = ROOT / "docs" / "architecture"
_PACKAGE = ROOT / "scenetok_jax"
# In the order of the layers, from the left to the right.
LIBRARY = (
  *("reading", "geometry", "parallel", "ops", "nn", "flow", "convert"),
  *("codecs", "tokenizer", "decoder", "generator", "sampling", "metrics"),
  "workdir",
)
JOBS = (
  *("inference", "evaluation", "train", "aot", "parity", "analyses"),
  *("sharing", "viewer", "cli"),
)


def first_line(path: Path) -> str:
  """The first line of a module's docstring, "" where there is none."""
  docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
  return docstring.split("\n")[0]


def _table(folder: Path, pattern: str = "**/*.py") -> Iterator[str]:
  yield f"## `{folder.relative_to(ROOT)}/`\n"
  yield "| file | what it is |"
  yield "|---|---|"
  for path in sorted(folder.glob(pattern)):
    line = first_line(path).replace("|", "\\|")
    if line:
      yield f"| `{path.relative_to(folder)}` | {line} |"
  yield ""


def _page(title: str, *tables: Iterator[str]) -> str:
  head = f"# {title}\n\nThe first line of each; `make docs-map` writes this.\n"
  return "\n".join([head, *(line for table in tables for line in table)])


def pages() -> dict[Path, str]:
  """Each page of the map as it should be."""
  rooms = {room: _table(_PACKAGE / room) for room in (*LIBRARY, *JOBS)}
  return {
    _FOLDER / "files.md": _page(
      "Files of the package",
      _table(_PACKAGE, "*.py"),
      *(rooms[room] for room in LIBRARY),
    ),
    _FOLDER / "files_jobs.md": _page(
      "Files of its jobs", *(rooms[room] for room in JOBS)
    ),
    _FOLDER / "files_data.md": _page(
      "Files of data, configurations, benchmarks",
      *(
        _table(ROOT / name)
        for name in ("data_pipelines", "configs", "benchmarks")
      ),
    ),
  }


if __name__ == "__main__":
  import errors  # beside this file

  for page, text in {**pages(), **errors.pages()}.items():
    page.write_text(text, "utf-8")
  sys.exit(0)
