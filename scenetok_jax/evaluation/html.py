"""Tables as one HTML page that needs no other file."""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from scenetok_jax.evaluation import plots
from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.results import Result
from scenetok_jax.evaluation.table_text import HEADINGS, cells
from scenetok_jax.evaluation.tables import Table
from scenetok_jax.metrics.registry import of_kind
from scenetok_jax.types import InputError

PICTURE_WIDTH = 1100  # pixels; wider contact sheets are shrunk
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>scenetok_jax tables</title>
<style>
body{font:15px sans-serif;max-width:1150px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}
.others td{color:#777} .missing{color:#b00} li{color:#555}
img{max-width:100%} figure{margin:1em 0} figcaption{color:#555}</style>
</head><body><h1>Measured beside the paper</h1>
<p>Intervals: 95 %, bootstrap over scenes. Difference: measured minus paper.
</p>
{% macro figure(caption, png) %}
<figure><img alt="{{ caption }}" src="data:image/png;base64,{{ png }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endmacro %}
{% macro row(line, style) %}
<tr class="{{ style }}">
{% for cell in cells(line) %}
<td>{% if cell == "missing" %}<span class="missing"
title="{{ line.missing }}">missing</span>{% else %}{{ cell }}{% endif %}</td>
{% endfor %}
</tr>
{% endmacro %}
{% for table in tables %}
<h2>{{ table.title }}</h2>
<table><tr>{% for name in headings %}<th>{{ name }}</th>{% endfor %}</tr>
{% for line in table.lines %}{{ row(line, "ours") }}{% endfor %}
{% for line in table.others %}{{ row(line, "others") }}{% endfor %}
</table>
<ul>{% for note in table.notes %}<li>{{ note }}</li>{% endfor %}</ul>
{% set comparison = beside_paper(table) %}
{% if comparison %}{{ figure("Measured and published", comparison) }}{% endif %}
{% for title, result in table.results.items() %}
<h3>{{ title }}</h3>
{% for caption, png in figures(result) %}
{% if png %}{{ figure(caption, png) }}{% else %}<p>{{ caption }}</p>{% endif %}
{% endfor %}
{% endfor %}
{% endfor %}
</body></html>
"""


def page(tables: Sequence[Table], worst: int) -> str:
  """The whole page; worst: how many worst scenes of a result to show."""
  return jinja2.Template(_PAGE, autoescape=True, trim_blocks=True).render(
    tables=tables,
    headings=HEADINGS,
    cells=cells,
    beside_paper=lambda table: _base64(plots.beside_paper(table)),
    figures=lambda result: _figures(result, worst),
  )


def _base64(png: bytes | None) -> str:
  return base64.b64encode(png or b"").decode()


def _figures(result: Result, worst: int) -> Iterator[tuple[str, str]]:
  """(caption, PNG) of all scenes' scores, and of the worst scenes' sheets."""
  scenes = result.data.get("per_scene", {})
  names = [metric.name for metric in of_kind("image")]
  measure = next(
    (m for m in names if any(m in row for row in scenes.values())), None
  )
  if measure is None:
    # Sets of images have no score per scene; show some of them.
    captions = dict.fromkeys(sorted(scenes)[:worst], "")
  else:
    ranked = ranking(scenes, measure)
    yield f"{measure} by scene", _base64(plots.scenes(ranked, measure))
    captions = {key: f"{measure} {x:.3f}" for key, x in ranked[:worst]}
  pictures = result.data.get("pictures", {})
  for key, caption in captions.items():
    if key in pictures:
      file = result.path.parent / pictures[key]
      yield f"{key}: {caption}", _base64(_picture(file))
    else:
      yield f"{key}: {caption} (evaluate --out keeps sheets)", ""


def ranking(scenes: dict[str, Any], measure: str) -> list[tuple[str, float]]:
  """(scene, score), the worst first."""
  scores = {key: row.get(measure) for key, row in scenes.items()}
  found = [(key, value) for key, value in scores.items() if value is not None]
  worst_is_high = measures()[measure].better == "lower"
  return sorted(found, key=lambda item: item[1], reverse=worst_is_high)


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
