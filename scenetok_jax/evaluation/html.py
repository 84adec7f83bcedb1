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
_PAGE = Path(__file__).with_name("tables.html")


def page(tables: Sequence[Table], worst: int) -> str:
  """The whole page; worst: how many worst scenes of a result to show."""
  template = _PAGE.read_text()
  return jinja2.Template(template, autoescape=True, trim_blocks=True).render(
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
