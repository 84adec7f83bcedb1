"""Tables as one HTML page with plots, which needs no other file."""

import base64
import functools
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.results import Result
from scenetok_jax.evaluation.table_text import fill
from scenetok_jax.evaluation.tables import Table
from scenetok_jax.metrics.registry import of_kind
from scenetok_jax.reading.images import open_image
from scenetok_jax.types import InputError, explained

PICTURE_WIDTH = 1100  # pixels; wider contact sheets are shrunk


def page(tables: Sequence[Table], worst: int) -> str:
  """The whole page; worst: how many worst scenes of a result to show."""
  return fill(
    "tables.html",
    tables=tables,
    beside_paper=_beside_paper,
    figures=functools.partial(_figures, worst=worst),
  )


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
    yield f"{measure} by scene", _by_scene(ranked, measure)
    captions = {key: f"{measure} {x:.3f}" for key, x in ranked[:worst]}
  pictures = result.data.get("pictures", {})
  for key, caption in captions.items():
    if key in pictures:
      yield f"{key}: {caption}", _picture(result, pictures[key])
    else:
      yield f"{key}: {caption} (evaluate --out keeps sheets)", ""


def ranking(scenes: dict[str, Any], measure: str) -> list[tuple[str, float]]:
  """(scene, score), the worst first."""
  scores = {key: row.get(measure) for key, row in scenes.items()}
  found = [(key, value) for key, value in scores.items() if value is not None]
  worst_is_high = measures()[measure].better == "lower"
  return sorted(found, key=lambda item: item[1], reverse=worst_is_high)


def _picture(result: Result, name: Any) -> str:
  """A PNG file below the result's folder, at most PICTURE_WIDTH pixels wide."""
  folder = result.path.parent
  path = folder / str(name)
  with explained(f"{result.path}: pictures", "delete the key", ValueError):
    inside = path.resolve().is_relative_to(folder.resolve())
  if not inside:
    raise InputError(
      f"{result.path}: pictures: {name!r} is not below {folder}; give the"
      " folder of evaluate --out in place of this file"
    )
  remedy = "keep results beside the folder that evaluate --out wrote"
  kinds = (OSError, ValueError, SyntaxError)
  with (
    explained(f"{path}: pictures: cannot be read", remedy, *kinds),
    open_image(path) as picture,
  ):
    image = picture.convert("RGB")
  if image.width > PICTURE_WIDTH:
    height = round(image.height * PICTURE_WIDTH / image.width)
    image = image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
  buffer = io.BytesIO()
  image.save(buffer, format="PNG", optimize=True)
  return base64.b64encode(buffer.getvalue()).decode()


def _beside_paper(table: Table) -> str:
  """Measured (with intervals) and published, a panel per measure.

  Other methods are dotted lines. "" where nothing can be compared.
  """
  compared = [line for line in table.lines if line.difference is not None]
  names = list(dict.fromkeys(line.measure for line in compared))
  if not names:
    return ""
  size = (max(4.0, 2.6 * len(names)), 3.2)
  figure = Figure(figsize=size, layout="constrained")
  axes = figure.subplots(1, len(names), squeeze=False)
  for ax, name in zip(axes[0], names, strict=True):
    measure = measures()[name]
    lines = [line for line in table.lines if line.measure == name]
    for place, line in enumerate(lines):
      labels = (None, None) if place else ("paper", "measured")
      if line.paper is not None:
        height = line.paper * measure.scale
        ax.bar(place - 0.2, height, 0.4, color="0.75", label=labels[0])
      if line.measured is not None:
        height = line.measured * measure.scale
        low, high = line.interval or (line.measured, line.measured)
        ends = np.array([[low], [high]]) * measure.scale
        spread = np.maximum(0, (ends - height) * [[-1], [1]])
        ax.bar(
          place + 0.2, height, 0.4, yerr=spread, capsize=3, color="C0",
          label=labels[1],
        )  # fmt: skip
    ax.set_xticks(
      range(len(lines)), [x.setting for x in lines], rotation=20, fontsize=8
    )
    ax.set_title(measure.title, fontsize=9)
    for line in table.others:
      if line.measure == name and line.paper is not None:
        ax.axhline(line.paper * measure.scale, color="0.7", ls=":")
  axes[0][0].legend(fontsize=8)
  return png(figure)


def _by_scene(ranked: Sequence[tuple[str, float]], measure: str) -> str:
  """Every scene's score, sorted, with the mean."""
  values = np.array([value for _, value in ranked])
  figure = Figure(figsize=(7, 2.8), layout="constrained")
  ax = figure.subplots()
  ax.bar(np.arange(len(values)), values, color="C0")
  mean = float(values.mean())
  ax.axhline(mean, color="0.3", ls="--", label=f"mean {mean:.3f}")
  if len(values) <= 24:
    names = [key[:16] for key, _ in ranked]
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=7)
  else:
    ax.set_xlabel(f"{len(values)} scenes, worst first")
  ax.set_ylabel(measures()[measure].title)
  ax.legend(fontsize=8)
  return png(figure)


def png(figure: Figure) -> str:
  """A figure as base64 of a PNG; the figure is closed."""
  buffer = io.BytesIO()
  # Without the software's version the same numbers give the same bytes.
  figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
  return base64.b64encode(buffer.getvalue()).decode()
