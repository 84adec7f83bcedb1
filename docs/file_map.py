"""The map of files in docs/architecture.md, from every module's first line.

`python docs/file_map.py` (or `make docs-map`) rewrites the section.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## Every file\n"
# In the order of the layers, from the left to the right.
ROOMS = (
  *(
    "reading",
    "geometry",
    "parallel",
    "ops",
    "nn",
    "flow",
    "convert",
    "codecs",
  ),
  *("tokenizer", "decoder", "generator", "sampling", "metrics", "workdir"),
  *("inference", "evaluation", "train", "aot", "parity", "analyses", "cli"),
)


def first_line(path: Path) -> str:
  """The first line of a module's docstring, "" where there is none."""
  docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
  return docstring.split("\n")[0]


def _table(folder: Path, pattern: str = "*.py") -> Iterator[str]:
  yield "| file | what it is |"
  yield "|---|---|"
  for path in sorted(folder.rglob(pattern)):
    line = first_line(path).replace("|", "\\|")
    if line:
      yield f"| `{path.relative_to(folder)}` | {line} |"


def section() -> str:
  """The whole section, heading included."""
  package = ROOT / "scenetok_jax"
  own = [
    f"| `{path.name}` | {first_line(path)} |"
    for path in sorted(package.glob("*.py"))
  ]
  parts = [("`scenetok_jax/`", ["| file | what it is |", "|---|---|", *own])]
  parts += [
    (f"`{folder.relative_to(ROOT)}/`", list(_table(folder, pattern)))
    for folder, pattern in (
      *((package / room, "*.py") for room in ROOMS),
      (ROOT / "data_pipelines", "*.py"),
      (ROOT / "configs", "*.py"),
      (ROOT / "benchmarks", "*.py"),
    )
  ]
  lines = [HEADING, "The first line of each; `make docs-map` writes this.\n"]
  for title, table in parts:
    lines += [f"### {title}\n", *table, ""]
  return "\n".join(lines)


def page() -> str:
  """The page with the section as it should be."""
  return PAGE.read_text().partition(HEADING)[0] + section()


if __name__ == "__main__":
  PAGE.write_text(page())
  sys.exit(0)
