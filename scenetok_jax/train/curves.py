"""Learning curves of a run as a picture."""

import pathlib

from scenetok_jax.io import atomic_path
from scenetok_jax.train.loggers import read_rows
from scenetok_jax.train.writer import EVAL_FILE, TRAIN_FILE

CURVES_FILE = "curves.png"
_SHOWN = ("loss", "grad_norm", "learning_rate")


def draw_curves(workdir: str) -> None:
  """Writes WORKDIR/curves.png from the metrics and evaluations so far.

  One panel for each of loss, gradient norm and learning rate, and for each
  score of the evaluations.
  """
  # Late: pyplot is slow to import, and only the lead draws.
  import matplotlib

  matplotlib.use("Agg")
  from matplotlib import pyplot

  folder = pathlib.Path(workdir)
  train, evaluations = (
    _columns(folder / name) for name in (TRAIN_FILE, EVAL_FILE)
  )
  panels = [(name, train[name], ",-") for name in _SHOWN if name in train]
  panels += [(name, points, "o-") for name, points in evaluations.items()]
  if not panels:
    return
  columns = min(3, len(panels))
  rows = -(-len(panels) // columns)
  figure, axes = pyplot.subplots(
    rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False
  )
  for axis, (name, points, style) in zip(axes.flat, panels, strict=False):
    axis.plot(*zip(*points, strict=True), style)
    axis.set_title(name)
    axis.set_xlabel("step")
    if name in ("loss", "grad_norm"):
      axis.set_yscale("log")
  for axis in list(axes.flat)[len(panels) :]:
    axis.axis("off")
  figure.tight_layout()
  with atomic_path(folder / CURVES_FILE) as temporary:
    figure.savefig(temporary, format="png", dpi=80)
  pyplot.close(figure)


def _columns(path: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
  """{name: [(step, value)]} of the numbers in a file of JSON lines."""
  found: dict[str, list[tuple[int, float]]] = {}
  for row in read_rows(path):
    step = row.pop("step")
    for name, value in row.items():
      if isinstance(value, float):
        found.setdefault(name, []).append((step, value))
  return found
