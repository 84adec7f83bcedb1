"""Pictures of the analyses' numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scenetok_jax.io import atomic_path
from scenetok_jax.metrics.registry import METRICS


def save(figure: Figure, path: Path) -> None:
  """Writes a PNG whole or not at all."""
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=90)


def metric_label(name: str, of: str = "") -> str:
  """A metric of the registry as an axis names it; of: which of its values."""
  metric = METRICS[name]
  unit = f", {metric.unit}" if metric.unit else ""
  better = " (lower: better)" if metric.better == "lower" else ""
  return f"{metric.title}{of}{unit}{better}"


def curves(
  path: Path,
  label: str,
  levels: Sequence[float],
  panels: Mapping[str, np.ndarray],
  title: str = "",
) -> None:
  """One panel per quantity [B K] over levels [K]: scenes thin, mean thick."""
  figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="tight")
  axes = figure.subplots(1, len(panels))
  for axis, (name, values) in zip(np.ravel(axes), panels.items(), strict=True):
    for row in values:
      axis.plot(levels, row, color="tab:blue", alpha=0.2, linewidth=0.8)
    axis.plot(levels, values.mean(axis=0), color="black", marker="o")
    axis.set(xlabel=label, ylabel=name)
  if title:
    figure.suptitle(title, fontsize="medium")
  save(figure, path)


def lines(
  path: Path,
  x_label: str,
  y_label: str,
  series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
  *,
  log: bool = False,
  level: tuple[str, float] | None = None,
) -> None:
  """Named curves (x, y) in one panel; level: a named horizontal line."""
  figure = Figure(figsize=(5.2, 3.6), layout="tight")
  axis = figure.subplots()
  for name, (x, y) in series.items():
    axis.plot(x, y, marker="o", label=name)
  if level is not None:
    axis.axhline(level[1], color="grey", linestyle=":", label=level[0])
  axis.set(xlabel=x_label, ylabel=y_label)
  if log:
    axis.set_xscale("log", base=2)
  axis.legend(fontsize="small")
  save(figure, path)


def bars(
  path: Path,
  label: str,
  groups: Mapping[str, Mapping[str, tuple[float, float, float]]],
) -> None:
  """One panel per group of named bars (value, low, high of an interval)."""
  most = max(len(row) for row in groups.values())
  size = (2.0 + 3.2 * len(groups), 1.2 + 0.4 * most)
  figure = Figure(figsize=size, layout="tight")
  axes = figure.subplots(1, len(groups), sharey=True)
  for axis, (group, row) in zip(np.ravel(axes), groups.items(), strict=True):
    values = np.array(list(row.values()), np.float64)
    ends = np.maximum(
      [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]], 0.0
    )
    drawn = axis.barh(list(row), values[:, 0], 0.6, xerr=ends, capsize=3)
    axis.bar_label(drawn, fmt=" %.3g", fontsize="small")
    axis.margins(x=0.15)
    axis.set(title=group, xlabel=label)
  np.ravel(axes)[0].invert_yaxis()  # the first on top
  save(figure, path)
