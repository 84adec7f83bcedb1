"""Tables as one HTML page that needs no other file."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from scenetok_jax.evaluation import plots
from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.results import Result
from scenetok_jax.evaluation.table_text import HEADINGS, cells
from scenetok_jax.evaluation.tables import Line, Table
from scenetok_jax.metrics.registry import of_kind
from scenetok_jax.types import InputError

PICTURE_WIDTH = 1100  # pixels; wider contact sheets are shrunk
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>scenetok_jax tables</title>
<style>
body{{font:15px sans-serif;max-width:1150px;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse}}
td,th{{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}}
td:nth-child(-n+2),th:nth-child(-n+2){{text-align:left}}
.others td{{color:#777}} .missing{{color:#b00}} li{{color:#555}}
img{{max-width:100%}} figure{{margin:1em 0}} figcaption{{color:#555}}</style>
</head><body><h1>Measured beside the paper</h1>
<p>Intervals: 95 %, bootstrap over scenes. Difference: measured minus paper.
</p>
{tables}
</body></html>
"""


def page(tables: Sequence[Table], worst: int) -> str:
  """The whole page; worst: how many worst scenes of a result to show."""
  return _PAGE.format(tables="\n".join(_section(t, worst) for t in tables))


def _section(table: Table, worst: int) -> str:
  parts = [f"<h2>{_text(table.title)}</h2>", _table(table)]
  notes = "".join(f"<li>{_text(note)}</li>" for note in table.notes)
  parts.append(f"<ul>{notes}</ul>")
  comparison = plots.beside_paper(table)
  if comparison:
    parts.append(_figure(comparison, "Measured and published"))
  for title, result in table.results.items():
    parts.append(f"<h3>{_text(title)}</h3>")
    parts += _scenes(result, worst)
  return "\n".join(parts)


def _table(table: Table) -> str:
  def row(line: Line, style: str) -> str:
    found = cells(line)
    if line.missing:
      reason = html.escape(line.missing, quote=True)
      found[3] = f'\0<span class="missing" title="{reason}">missing</span>'
    columns = "".join(
      f"<td>{cell[1:] if cell.startswith(chr(0)) else _text(cell)}</td>"
      for cell in found
    )
    return f'<tr class="{style}">{columns}</tr>'

  head = "".join(f"<th>{_text(name)}</th>" for name in HEADINGS)
  rows = [row(line, "ours") for line in table.lines]
  rows += [row(line, "others") for line in table.others]
  return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _scenes(result: Result, worst: int) -> list[str]:
  """Scores of all scenes as a plot, and the worst scenes with pictures."""
  scenes = result.data.get("per_scene", {})
  names = [metric.name for metric in of_kind("image")]
  measure = next(
    (m for m in names if any(m in row for row in scenes.values())), None
  )
  if measure is None:
    # Sets of images have no score per scene; show some of them.
    shown = [(key, "") for key in sorted(scenes)[:worst]]
    return [_sheet(result, key, text) for key, text in shown]
  ranked = ranking(scenes, measure)
  parts = [
    _figure(plots.scenes(ranked, measure), f"{measure} by scene"),
    f"<h4>Worst scenes by {measure}</h4>",
  ]
  return parts + [
    _sheet(result, key, f"{measure} {value:.3f}")
    for key, value in ranked[:worst]
  ]


def ranking(scenes: dict[str, Any], measure: str) -> list[tuple[str, float]]:
  """(scene, score), the worst first."""
  found = [(k, row[measure]) for k, row in scenes.items() if measure in row]
  found = [(key, value) for key, value in found if value is not None]
  worst_is_high = measures()[measure].better == "lower"
  return sorted(found, key=lambda item: item[1], reverse=worst_is_high)


def _sheet(result: Result, key: str, caption: str) -> str:
  name = result.data.get("pictures", {}).get(key)
  if name is None:
    return (
      f"<p>{_text(key)}: {_text(caption)} (evaluate --out keeps sheets)</p>"
    )
  file = result.path.parent / name
  return _figure(_picture(file), f"{key}: {caption}")


def _picture(path: Path) -> bytes:
  """A PNG file, at most PICTURE_WIDTH pixels wide."""
  try:
    with Image.open(path) as file:
      image: Image.Image = file.convert("RGB")
      if image.width > PICTURE_WIDTH:
        height = round(image.height * PICTURE_WIDTH / image.width)
        image = image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
      buffer = io.BytesIO()
      image.save(buffer, format="PNG", optimize=True)
  except OSError as error:
    raise InputError(
      f"{path}: pictures: cannot be read ({error}); keep results beside the"
      " folder that evaluate --out wrote"
    ) from None
  return buffer.getvalue()


def _figure(png: bytes, caption: str) -> str:
  data = base64.b64encode(png).decode()
  alt = html.escape(caption, quote=True)
  return (
    f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
    f"<figcaption>{_text(caption)}</figcaption></figure>"
  )


def _text(text: str) -> str:
  return html.escape(text)
