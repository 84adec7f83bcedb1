"""Runs side by side as one HTML page that needs no other file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

from scenetok_jax.evaluation.html import png
from scenetok_jax.train.runs import SPEEDS, Columns, Run, differences, finals

_ROWS = 2000  # ours: points of a curve; more are thinned
_SMOOTH = 50  # ours: parts of a curve over which its mean is taken


def page(runs: Sequence[Run], problems: Sequence[str]) -> str:
  """The whole page: final values, curves, fields that differ.

  problems: lines about runs that could not be read.
  """
  values = [finals(run) for run in runs]
  names = list(dict.fromkeys(name for found in values for name in found))
  file = Path(__file__).with_name("runs.html")
  template = jinja2.Template(
    file.read_text("utf-8"), autoescape=True, trim_blocks=True
  )
  return template.render(
    runs=runs,
    names=names,
    cells=[[_number(found.get(name)) for name in names] for found in values],
    figures=_figures(runs),
    fields=differences(runs) if len(runs) > 1 else {},
    problems=[*problems, *(note for run in runs for note in run.notes)],
  )


def _number(value: float | None) -> str:
  return "-" if value is None else f"{value:.5g}"


def _figures(runs: Sequence[Run]) -> list[tuple[str, str]]:
  """(title, PNG): loss, every held-out score, speeds."""
  scores = dict.fromkeys(name for run in runs for name in run.scores)
  panels = [("loss", [run.train for run in runs])]
  panels += [(name, [run.scores for run in runs]) for name in scores]
  panels += [(name, [run.train for run in runs]) for name in SPEEDS]
  return [
    (name, _curves(name, runs, columns))
    for name, columns in panels
    if any(name in found for found in columns)
  ]


def _curves(name: str, runs: Sequence[Run], columns: Sequence[Columns]) -> str:
  """A line for each run that has the column, with its running mean."""
  figure = Figure(figsize=(7, 3.2), layout="constrained")
  ax = figure.subplots()
  lowest = np.inf
  for number, (run, found) in enumerate(zip(runs, columns, strict=True)):
    if name not in found:
      continue
    steps, values = np.array(found[name], np.float64).T
    width = max(1, len(steps) // _SMOOTH)
    mean = np.convolve(values, np.ones(width) / width, "valid")
    thin = slice(None, None, -(-len(steps) // _ROWS))
    style: dict[str, Any] = {"color": f"C{number % 10}", "lw": 1.2}
    if width > 1:
      ax.plot(steps[thin], values[thin], **style | {"lw": 0.5}, alpha=0.35)
    # Numbered: a label may neither start with _ nor be read as a formula.
    label = f"{number + 1}: {run.name}".replace("$", r"\$")
    marker = "o" if len(steps) < 40 else ""
    ax.plot(
      steps[width - 1 :][thin], mean[thin], **style, marker=marker, ms=3,
      label=label[:60],
    )  # fmt: skip
    lowest = min(lowest, values.min())
  if name == "loss" and lowest > 0:
    ax.set_yscale("log")
  ax.set_xlabel("step")
  ax.set_ylabel(name[:60].replace("$", r"\$"))
  ax.grid(alpha=0.3)
  ax.legend(fontsize=8)
  return png(figure)
