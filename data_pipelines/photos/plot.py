"""A picture of an estimate: cameras and points, from above and from aside."""

from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.io import atomic_path

_POINTS = 20_000  # drawn at most
_FAR = 1.5  # sizes of what cameras and most points span, beyond which none is
_DPI = 110
# Title, horizontal axis, vertical axis, their names. y is down.
_PANELS = (
  ("from above", 0, 2, "right", "ahead of the first camera"),
  ("from aside", 2, 1, "ahead of the first camera", "down"),
)


def draw(path: Path, poses: np.ndarray, model: Any, title: str) -> None:
  """Writes a PNG.

  poses: camera-to-world [T 4 4] in order, y down. model: pycolmap's, of the
  same world.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  points, colours = _points(model)
  figure = Figure(figsize=(12.0, 6.0))
  axes: Any = figure.subplots(1, 2)
  for axis, (name, across, up, right, above) in zip(axes, _PANELS, strict=True):
    _panel(axis, poses, points, colours, (across, up))
    axis.set(title=name, xlabel=f"{right}, scene units", ylabel=above)
    if up == 1:
      axis.invert_yaxis()
  figure.suptitle(title)
  figure.tight_layout()
  FigureCanvasAgg(figure)  # no window, and no state shared with pyplot
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=_DPI)


def _panel(
  axis: Any,
  poses: np.ndarray,
  points: np.ndarray,
  colours: np.ndarray,
  sides: tuple[int, int],
) -> None:
  positions = poses[:, :3, 3][:, sides]
  axis.scatter(*points[:, sides].T, s=1.0, c=colours, linewidths=0)
  axis.plot(*positions.T, "-", color="0.6", linewidth=0.8)
  order = np.arange(len(poses))
  axis.scatter(*positions.T, c=order, s=14, cmap="viridis", zorder=2)
  length = 0.05 * max(float(np.ptp(points, axis=0).max()), 1e-6)
  axis.quiver(
    *positions.T, *(length * poses[:, :3, 2][:, sides]).T,
    angles="xy", scale_units="xy", scale=1, width=0.0025, color="tab:red",
  )  # fmt: skip
  axis.set_aspect("equal", adjustable="datalim")
  axis.grid(alpha=0.3)


def _points(model: Any) -> tuple[np.ndarray, np.ndarray]:
  """Points [N 3] without far ones, and their colours [N 3] in [0, 1]."""
  found = list(model.points3D.values())
  found = found[:: -(-len(found) // _POINTS) or 1]
  points = np.array([p.xyz for p in found]).reshape(-1, 3)
  colours = np.array([p.color for p in found]).reshape(-1, 3) / 255
  low, high = np.percentile(points, (5, 95), axis=0)
  span = _FAR * np.maximum(high - low, 1e-9)
  near = ((points > low - span) & (points < high + span)).all(axis=1)
  return points[near], colours[near]
