"""Tables in Markdown that tests print, and that pages of the docs hold."""

from collections.abc import Iterable, Sequence
from pathlib import Path

_ROBUSTNESS = Path(__file__).parents[1] / "docs/robustness.md"


def markdown(rows: Iterable[Sequence[str]]) -> str:
  """Rows of cells, the heads first."""
  heads, *rest = (f"| {' | '.join(row)} |" for row in rows)
  count = heads.count("|") - 1
  return "\n".join([heads, "|---" * count + "|", *rest])


def grouped(
  heads: Sequence[str], outcomes: Iterable[tuple[str, Sequence[str]]]
) -> str:
  """A row for all names of the same outcomes; heads: of names and outcomes."""
  groups: dict[tuple[str, ...], dict[str, None]] = {}
  for name, cells in outcomes:
    groups.setdefault(tuple(cells), {})[f"`{name}`"] = None
  rows = ([", ".join(names), *cells] for cells, names in groups.items())
  return markdown([heads, *rows])


def in_page(table: str) -> bool:
  """Whether docs/robustness.md has a table as it is."""
  return table in _ROBUSTNESS.read_text("utf-8")
