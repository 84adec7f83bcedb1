"""Tables as markdown and LaTeX."""

from collections.abc import Sequence

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.tables import Line, Table

HEADINGS = (
  "setting",
  "measure",
  "paper",
  "measured",
  "95 % interval",
  "difference",
  "scenes used",
)
_LATEX = {
  "\\": r"\textbackslash{}",
  **{c: f"\\{c}" for c in "&%$#_{}"},
  "~": r"\textasciitilde{}",
  "^": r"\textasciicircum{}",
}


def cells(line: Line) -> list[str]:
  """One line under HEADINGS."""
  measure = measures()[line.measure]

  def number(value: float | None, sign: str = "") -> str:
    if value is None:
      return "-"
    return f"{value * measure.scale:{sign},.{measure.digits}f}"

  interval = "-"
  if line.interval is not None:
    interval = " to ".join(number(end) for end in line.interval)
  measured = number(line.measured)
  return [
    line.setting,
    measure.title,
    number(line.paper),
    "missing" if line.missing else measured,
    interval,
    number(line.difference, "+"),
    line.scenes,
  ]


def markdown(tables: Sequence[Table]) -> str:
  """Every table with its notes."""
  return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
  rows = [cells(line) for line in (*table.lines, *table.others)]
  lines = [f"## {table.title}", "", _row(HEADINGS), _row(["---"] * 7)]
  lines += [_row(row) for row in rows]
  lines += ["", *(f"- {note}" for note in table.notes), ""]
  return "\n".join(lines)


def _row(row: Sequence[str]) -> str:
  escaped = [cell.replace("|", "\\|") for cell in row]
  return f"| {' | '.join(escaped)} |"


def latex(tables: Sequence[Table]) -> str:
  """One tabular a table, for the package booktabs."""
  return "\n".join(_latex(table) for table in tables)


def _latex(table: Table) -> str:
  def row(texts: Sequence[str]) -> str:
    return " & ".join(escape(text) for text in texts) + r" \\"

  notes = [f"% {note}" for note in table.notes]
  rows = [row(cells(line)) for line in table.lines]
  others = [row(cells(line)) for line in table.others]
  return "\n".join(
    [
      *notes,
      r"\begin{table}",
      r"\centering",
      r"\begin{tabular}{llrrrrr}",
      r"\toprule",
      row(HEADINGS),
      r"\midrule",
      *rows,
      *([r"\midrule"] if others else []),
      *others,
      r"\bottomrule",
      r"\end{tabular}",
      rf"\caption{{{escape(table.title)}}}",
      r"\end{table}",
      "",
    ]
  )


def escape(text: str) -> str:
  """Text that LaTeX sets as it is."""
  return "".join(_LATEX.get(character, character) for character in text)
