"""Tables as markdown and LaTeX, by templates beside this file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.tables import Line, Table

HEADINGS = (
  *("setting", "measure", "paper", "measured", "95 % interval"),
  *("difference", "scenes used"),
)
_LATEX = str.maketrans(
  {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
  }
)


def cells(line: Line) -> list[str]:
  """One line under HEADINGS."""
  measure = measures()[line.measure]

  def number(value: float | None, sign: str = "") -> str:
    if value is None:
      return "-"
    return f"{value * measure.scale:{sign},.{measure.digits}f}"

  return [
    line.setting,
    measure.title,
    number(line.paper),
    "missing" if line.missing else number(line.measured),
    " to ".join(number(end) for end in line.interval or (None,)),
    number(line.difference, "+"),
    line.scenes,
  ]


def fill(template: str, **values: Any) -> str:
  """A template of this folder, with the values that it asks for."""
  file = Path(__file__).with_name(template)
  escape = file.suffix == ".html"
  page = jinja2.Template(
    file.read_text("utf-8"), autoescape=escape, trim_blocks=True
  )
  return page.render(headings=HEADINGS, cells=cells, **values)


def markdown(tables: Sequence[Table]) -> str:
  """Every table with its notes."""

  def row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(x.replace("|", "\\|") for x in texts) + " |"

  return fill("tables.md", tables=tables, row=row)


def latex(tables: Sequence[Table]) -> str:
  """One tabular a table, for the package booktabs."""

  def escape(text: str) -> str:
    return text.translate(_LATEX)

  def row(texts: Iterable[str]) -> str:
    return " & ".join(map(escape, texts)) + r" \\"

  return fill("tables.tex", tables=tables, row=row, escape=escape)
