"""The report of a GPU as a table."""

from typing import Any

from scenetok_jax.io import gib

NAME = "GPU REPORT"  # of its place in the docs
HEADS = (
  "", "batch", "remat", "attention", "time", "speed", "share of peak",
  "memory", "compiled in",
)  # fmt: skip


def table(result: dict[str, Any]) -> str:
  """The table under a line that says where and when."""
  lines = [
    f"Measured on {result['device']}, {result['date']}, jax {result['jax']}.",
    "",
    f"| {' | '.join(HEADS)} |",
    "|" + "---|" * len(HEADS),
    *map(_line, result["rows"].values()),
  ]
  return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
  """A row of the table."""
  title = row["title"]
  if "refused" in row:
    why = row["refused"].replace("|", "/")
    return f"| {title} | refused: {why} |" + " |" * (len(HEADS) - 2)
  peak = row["peak_bytes"]
  cells = (
    title,
    str(row.get("batch", "")),
    row.get("remat", ""),
    row.get("attention", ""),
    f"{row['seconds']:.3g} s",
    _speed(row),
    f"{row['flop_utilisation']:.1%}",
    gib(peak) if peak else "",
    f"{row['compile_seconds']:.0f} s",
  )
  return f"| {' | '.join(cells)} |"


def _speed(row: dict[str, Any]) -> str:
  units = {
    "frames_per_second": "frames/s",
    "scenes_per_minute": "scenes/min",
    "examples_per_second": "examples/s",
  }
  ((speed, unit),) = ((row[k], u) for k, u in units.items() if k in row)
  found = f"{speed:.3g} {unit}" if speed < 1000 else f"{speed:,.0f} {unit}"
  if "steps" in row:
    losses = f"{row['loss_first']:.3g} to {row['loss_last']:.3g}"
    return f"{found}; loss {losses} in {row['steps']} steps"
  return found
