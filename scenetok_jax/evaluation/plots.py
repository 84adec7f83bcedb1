"""Plots of the tables' page, as PNG bytes."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np

from scenetok_jax.evaluation.measures import Measure, measures
from scenetok_jax.evaluation.tables import Line, Table

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def beside_paper(table: Table) -> bytes | None:
  """Measured (with intervals) and published, a panel per measure.

  Other methods are dotted lines. None where nothing can be compared.
  """
  names = list(
    dict.fromkeys(
      line.measure
      for line in table.lines
      if line.measured is not None and line.paper is not None
    )
  )
  if not names:
    return None
  figure, axes = plt.subplots(
    1,
    len(names),
    figsize=(max(4.0, 2.6 * len(names)), 3.2),
    layout="constrained",
    squeeze=False,
  )
  for ax, name in zip(axes[0], names, strict=True):
    measure = measures()[name]
    lines = [line for line in table.lines if line.measure == name]
    _panel(ax, measure, lines)
    for line in table.others:
      if line.measure == name and line.paper is not None:
        ax.axhline(line.paper * measure.scale, color="0.7", ls=":")
  axes[0][0].legend(fontsize=8)
  return _png(figure)


def _panel(ax: plt.Axes, measure: Measure, lines: Sequence[Line]) -> None:
  scale = measure.scale
  for place, line in enumerate(lines):
    if line.paper is not None:
      label = None if place else "paper"
      ax.bar(place - 0.2, line.paper * scale, 0.4, color="0.75", label=label)
    if line.measured is not None:
      value = line.measured * scale
      low, high = line.interval or (line.measured, line.measured)
      error = [
        [max(0.0, value - low * scale)],
        [max(0.0, high * scale - value)],
      ]
      ax.bar(
        place + 0.2,
        value,
        0.4,
        yerr=error,
        capsize=3,
        color="C0",
        label=None if place else "measured",
      )
  names = [line.setting for line in lines]
  ax.set_xticks(range(len(lines)), names, rotation=20, fontsize=8)
  ax.set_title(measure.title, fontsize=9)


def scenes(ranked: Sequence[tuple[str, float]], measure: str) -> bytes:
  """Every scene's score, sorted, with the mean."""
  values = np.array([value for _, value in ranked])
  figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
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
  return _png(figure)


def _png(figure: Figure) -> bytes:
  buffer = io.BytesIO()
  # Without the software's version the same numbers give the same bytes.
  figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
  plt.close(figure)
  return buffer.getvalue()
