"""What `scenetok inspect` draws: camera paths and epipolar lines."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy import ndimage

from data_pipelines.inspection import statistics
from scenetok_jax.geometry import epipolar
from scenetok_jax.io import atomic_path
from scenetok_jax.types import Cameras

_GRID = (3, 4)  # rows and columns of cells; each gives one point
_BORDER = 0.04  # of the image: points keep this far from its edges
_ARROWS = 40
_WIDTH = 6.0  # inches of one image
_DPI = 110
_LABELS = (0.15, 0.5, 0.85, 0.32, 0.67)  # of a line, from its left end
_OUTLINE = withStroke(linewidth=3, foreground="black")


def draw_path(
  path: Path, cameras: Cameras, held_out: tuple[int, ...], title: str
) -> None:
  """Writes the camera path seen from above: dots, and where they look."""
  positions, directions = statistics.top_view(cameras)
  figure = Figure(figsize=(6.5, 6.0))
  axis: Any = figure.add_subplot()
  axis.plot(*positions.T, "-", color="0.75", zorder=1)
  frames = np.arange(len(positions))
  dots = axis.scatter(*positions.T, c=frames, s=12, cmap="viridis", zorder=2)
  figure.colorbar(dots, label="frame")
  shown = frames[:: -(-len(frames) // _ARROWS)]
  length = 0.06 * max(float(np.ptp(positions, axis=0).max()), 1e-6)
  axis.quiver(
    *positions[shown].T,
    *(length * directions[shown]).T,
    angles="xy", scale_units="xy", scale=1, width=0.003, color="0.3",
  )  # fmt: skip
  if held_out:
    hidden = positions[list(held_out)]
    axis.scatter(
      *hidden.T, s=40, facecolors="none", edgecolors="tab:red", label="held out"
    )
    axis.legend()
  axis.plot(*positions[0], "^", color="black", markersize=9)
  axis.set(title=title, xlabel="right of the first view, source's unit")
  axis.set_ylabel("ahead of the first view")
  axis.set_aspect("equal", adjustable="datalim")
  axis.grid(alpha=0.3)
  figure.tight_layout()
  _save(path, figure)


def draw_epipolar(
  path: Path, images: np.ndarray, cameras: Cameras, frames: tuple[int, int]
) -> int:
  """Writes two frames: points in the first, their lines in the second.

  Args:
    path: picture to write.
    images: uint8 [2, H, W, 3].
    cameras: [2].
    frames: their numbers, for the titles.

  Returns:
    How many points have a line that crosses the second image.
  """
  size = images.shape[1:3]
  matrix = epipolar.fundamental_matrix(cameras, 0, 1, size)
  points = corners(images[0])
  lines = [clip_line(matrix @ [*p, 1.0], size) for p in points]
  found = [(p, line) for p, line in zip(points, lines, strict=True) if line]
  figure = Figure(figsize=(2 * _WIDTH, _WIDTH * size[0] / size[1] + 0.6))
  axes: Any = figure.subplots(1, 2)
  for axis, image, frame in zip(axes, images, frames, strict=True):
    axis.imshow(image, extent=(0, size[1], size[0], 0))
    axis.set_title(f"frame {frame}")
    axis.axis("off")
    axis.set(xlim=(0, size[1]), ylim=(size[0], 0))
  colours = colormaps["hsv"](np.linspace(0, 1, len(found) + 1))
  for number, ((point, line), colour) in enumerate(
    zip(found, colours, strict=False)
  ):
    axes[0].plot(*point, "o", mfc="none", mec=colour, ms=10, mew=2)
    axes[0].annotate(
      str(number), point, xytext=(7, 7), textcoords="offset points",
      color=colour, weight="bold", path_effects=[_OUTLINE],
    )  # fmt: skip
    axes[1].plot(*zip(*line, strict=True), "-", color=colour, lw=1.3)
    # Lines meet in one point: their labels stand at different places.
    share = _LABELS[number % len(_LABELS)]
    place = (1 - share) * np.array(line[0]) + share * np.array(line[1])
    axes[1].annotate(
      str(number), place, color=colour, weight="bold", ha="center",
      va="center", path_effects=[_OUTLINE],
    )  # fmt: skip
  figure.tight_layout()
  _save(path, figure)
  return len(found)


def corners(image: np.ndarray) -> np.ndarray:
  """uint8 [H, W, 3] -> the sharpest corner (x, y) of each cell, pixels."""
  grey = image.astype(np.float64).mean(axis=-1)
  down, right = np.gradient(ndimage.gaussian_filter(grey, 1.0))
  xx, yy, xy = (
    ndimage.gaussian_filter(a * b, 2.0)
    for a, b in ((right, right), (down, down), (right, down))
  )
  # The smaller eigenvalue: large only where edges of two directions meet.
  score = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
  height, width = grey.shape
  edge = max(1, int(_BORDER * min(height, width)))
  rows = np.linspace(edge, height - edge, _GRID[0] + 1).astype(int)
  columns = np.linspace(edge, width - edge, _GRID[1] + 1).astype(int)
  found = []
  for top, bottom in itertools.pairwise(rows):
    for left, end in itertools.pairwise(columns):
      cell = score[top:bottom, left:end]
      y, x = np.unravel_index(int(np.argmax(cell)), cell.shape)
      found.append((left + x + 0.5, top + y + 0.5))
  return np.array(found)


def _save(path: Path, figure: Figure) -> None:
  FigureCanvasAgg(figure)  # no window, and no state shared with pyplot
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=_DPI)


def clip_line(
  line: np.ndarray, size: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
  """Ends (x, y) of the line ax + by + c = 0 inside an image, or None."""
  height, width = size
  a, b, c = (float(v) for v in line)
  points = []
  if abs(b) > 1e-12:
    points += [(x, -(a * x + c) / b) for x in (0.0, float(width))]
  if abs(a) > 1e-12:
    points += [(-(b * y + c) / a, y) for y in (0.0, float(height))]
  inside = sorted(
    {
      (round(x, 6), round(y, 6))
      for x, y in points
      if -1e-6 <= x <= width + 1e-6 and -1e-6 <= y <= height + 1e-6
    }
  )
  return (inside[0], inside[-1]) if len(inside) >= 2 else None
