"""Learning curves of a run as a picture."""

import pathlib
from collections import defaultdict

from scenetok_jax.io import atomic_path, locate
from scenetok_jax.reading.shown import inline
from scenetok_jax.train.loggers import read_rows
from scenetok_jax.train.writer import EVAL_FILE, TRAIN_FILE

CURVES_FILE = "curves.png"
_SHOWN = ("loss", "grad_norm", "learning_rate")


def draw_curves(workdir: str) -> None:
  """Writes WORKDIR/curves.png from the metrics and evaluations so far.

  One panel for each of loss, gradient norm and learning rate, and for each
  score of the evaluations.
  """
  # Late: it is slow to import, and only the lead draws.
  from matplotlib.figure import Figure

  folder = locate(workdir)
  train = _columns(folder / TRAIN_FILE)
  panels = [(name, train[name], ",-") for name in _SHOWN if name in train]
  scores = _columns(folder / EVAL_FILE).items()
  panels += [(name, points, "o-") for name, points in scores]
  if not panels:
    return
  columns = min(3, len(panels))
  rows = -(-len(panels) // columns)
  figure = Figure(figsize=(4 * columns, 3 * rows))
  for place, (name, points, style) in enumerate(panels, 1):
    axis = figure.add_subplot(
      rows, columns, place, title=_title(name), xlabel="step"
    )
    axis.plot(*zip(*points, strict=True), style)
    if name in ("loss", "grad_norm"):
      axis.set_yscale("log")
  figure.tight_layout()
  with atomic_path(folder / CURVES_FILE) as temporary:
    figure.savefig(temporary, format="png", dpi=80)


def _title(name: str) -> str:
  """A score's name; Matplotlib reads what stands between two $ as a formula."""
  return inline(name, 40).replace("$", r"\$")


def _columns(path: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
  """{name: [(step, value)]} of the numbers in a file of JSON lines."""
  found = defaultdict(list)
  for row in read_rows(path):
    for name, value in row.items():
      if isinstance(value, float):
        found[name].append((row["step"], value))
  return found
