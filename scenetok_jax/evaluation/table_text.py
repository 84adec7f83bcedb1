"""Tables as markdown and LaTeX."""

from collections.abc import Iterable, Sequence

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


def markdown(tables: Sequence[Table]) -> str:
  """Every table with its notes."""

  def row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(x.replace("|", "\\|") for x in texts) + " |"

  lines = []
  for table in tables:
    rule = ["---"] * len(HEADINGS)
    rows = map(cells, (*table.lines, *table.others))
    lines += [f"## {table.title}", "", *map(row, (HEADINGS, rule, *rows)), ""]
    lines += [*(f"- {note}" for note in table.notes), ""]
  return "\n".join(lines)


def latex(tables: Sequence[Table]) -> str:
  """One tabular a table, for the package booktabs."""

  def row(texts: Iterable[str]) -> str:
    return " & ".join(text.translate(_LATEX) for text in texts) + r" \\"

  lines = []
  for table in tables:
    others = [row(cells(line)) for line in table.others]
    lines += [
      *(f"% {note}" for note in table.notes),
      r"\begin{table}",
      r"\centering",
      r"\begin{tabular}{llrrrrr}",
      r"\toprule",
      row(HEADINGS),
      r"\midrule",
      *(row(cells(line)) for line in table.lines),
      *([r"\midrule", *others] if others else []),
      r"\bottomrule",
      r"\end{tabular}",
      rf"\caption{{{table.title.translate(_LATEX)}}}",
      r"\end{table}",
      "",
    ]
  return "\n".join(lines)
