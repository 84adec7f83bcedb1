"""Plots of the tables' page, as PNG bytes."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.tables import Table

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
  size = (max(4.0, 2.6 * len(names)), 3.2)
  figure, axes = plt.subplots(
    1, len(names), figsize=size, layout="constrained", squeeze=False
  )
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
  return _png(figure)


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
