"""What an evaluation found, as a file and as text."""

import os
from pathlib import Path
from typing import Any

from scenetok_jax.evaluation.measures import CEILING, image_key, measures
from scenetok_jax.evaluation.results import shortcomings
from scenetok_jax.evaluation.table_text import fill
from scenetok_jax.io import write_json
from scenetok_jax.metrics.registry import METRICS


def write(file: str | Path, report: dict[str, Any]) -> None:
  """The report as JSON; its pictures are named relative to the file."""
  folder = Path(file).parent
  pictures = {
    key: os.path.relpath(picture, folder)
    for key, picture in report["pictures"].items()
  }
  write_json(file, {**report, "pictures": pictures})


def table(report: dict[str, Any]) -> str:
  """Scores per scene, their means and intervals, as text."""
  known = measures()
  # What scenes have scores of; of the ceilings PSNR alone.
  scored = {name for row in report["per_scene"].values() for name in row}
  scored -= {image_key(name, CEILING) for name in METRICS if name != "psnr"}
  columns = [name for name in known if name in scored]
  longest = max([13, *(len(name.removesuffix("_psnr")) for name in columns)])
  intervals = sorted(report["confidence_intervals"])
  sets = [name for name in intervals if name in known and known[name].is_set]
  values = {"columns": columns, "width": 1 + longest, "sets": sets}
  values |= {"report": report, "shortcomings": shortcomings(report)}
  return fill("report.txt", **values).rstrip()
