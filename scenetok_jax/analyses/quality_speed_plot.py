"""The picture of quality against speed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from scenetok_jax.analyses import plots
from scenetok_jax.analyses.plots import metric_label

_EVALUATIONS = ("evaluations", "network evaluations per latent")
_TIME = ("seconds_per_frame", "seconds per frame")


def plot(path: Path, result: dict[str, Any]) -> None:
  """Scores over evaluations and time per solver; the loss of each storage."""
  panels = [
    (*_EVALUATIONS, "psnr", metric_label("psnr", " to the truth")),
    (*_TIME, "psnr", metric_label("psnr", " to the truth")),
    (*_EVALUATIONS, "lpips", metric_label("lpips", " to the truth")),
    (
      *_EVALUATIONS,
      "agreement_psnr",
      metric_label("psnr", " to the finest solution"),
    ),
  ]
  panels = [panel for panel in panels if panel[2] in result["rows"][0]]
  columns = -(-(len(panels) + 1) // 2)
  figure = Figure(figsize=(3.6 * columns, 6.2), layout="tight")
  grid = figure.subplots(2, columns)
  axes = list(grid.flat)
  for axis in axes[len(panels) + 1 :]:
    axis.remove()
  for axis, (column, label, score, title) in zip(axes, panels, strict=False):
    for solver, x, y in _curves(result["rows"], column, score):
      axis.plot(x, y, marker="o", markersize=3, label=solver)
    axis.set(xlabel=label, ylabel=title, xscale="log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
  axes[0].axhline(
    result["mean_view_psnr"], color="grey", linestyle=":", label="mean view"
  )
  axes[0].legend(fontsize="small")
  _plot_storage(axes[len(panels)], result["storage"])
  plots.save(figure, path)


def _curves(
  rows: list[dict[str, Any]], column: str, score: str
) -> Iterator[tuple[str, list[float], list[float]]]:
  """(solver, x, y) of the rows that have the score."""
  rows = [row for row in rows if row[score] is not None]
  for solver in dict.fromkeys(row["solver"] for row in rows):
    own = [row for row in rows if row["solver"] == solver]
    yield solver, [row[column] for row in own], [row[score] for row in own]


def _plot_storage(axis: Axes, storage: dict[str, dict[str, float]]) -> None:
  """The decibels that each storage of the tokens costs."""
  names = [name for name in storage if name != "float32"]
  labels = [f"{name}\n{storage[name]['bytes']} bytes" for name in names]
  bars = axis.bar(labels, [storage[name]["loss_db"] for name in names], 0.5)
  axis.bar_label(bars, fmt="%+.4f")
  axis.axhline(0.1, color="grey", linestyle=":")
  axis.set(ylabel=metric_label("psnr", " lost by a scene file"))
