"""Low-frequency patterns of procedural surfaces.

Every pattern maps surface coordinates u, v [h w] in metres to display-space
RGB [h w 3] in [0, 1].
"""

from collections.abc import Callable

import numpy as np

from data_pipelines.textures.paint import Color, Paint


def waves(
  u: np.ndarray, v: np.ndarray, cell: float, rng: np.random.Generator
) -> np.ndarray:
  """Smooth noise of about unit amplitude: four waves longer than cell."""
  total = np.zeros_like(u)
  angles = rng.uniform(0, 2 * np.pi, 4)
  rates = 2 * np.pi / (cell * rng.uniform(1.0, 2.5, 4))
  for angle, rate, phase in zip(
    angles, rates, rng.random(4) * 6.28, strict=True
  ):
    total += np.sin(rate * np.cos(angle) * u + rate * np.sin(angle) * v + phase)
  return total * np.float32(0.5)


def _mix(
  a: Color | np.ndarray, b: Color | np.ndarray, t: np.ndarray
) -> np.ndarray:
  low, high = np.asarray(a, np.float32), np.asarray(b, np.float32)
  return low + (high - low) * np.clip(t, 0, 1)[..., None]


def _lookup(
  rng: np.random.Generator, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
  """A random value in [0, 1) for each pair of integers."""
  table = rng.random(97).astype(np.float32)
  return table[(i.astype(int) * 31 + j.astype(int) * 17) % 97]


def _plain(u, v, size, paint, rng):
  tone = 1 + 0.035 * waves(u, v, paint.scale, rng)
  return np.asarray(paint.colors[0], np.float32) * tone[..., None]


def _carpet(u, v, size, paint, rng):
  return _mix(
    paint.colors[0], paint.colors[1], 0.5 + 0.45 * waves(u, v, paint.scale, rng)
  )


def _planks(u, v, size, paint, rng):
  row = np.floor(v / paint.scale)
  shift = _lookup(rng, row, row * 0)
  along = u / (9 * paint.scale) + shift
  tone = _lookup(rng, row, np.floor(along))
  edge = np.abs(v / paint.scale - row - 0.5)
  rgb = _mix(paint.colors[0], paint.colors[1], tone)
  return rgb * (1 - 0.25 * (edge > 0.44))[..., None]


def _tiles(u, v, size, paint, rng):
  i, j = np.floor(u / paint.scale), np.floor(v / paint.scale)
  edge = np.maximum(
    np.abs(u / paint.scale - i - 0.5), np.abs(v / paint.scale - j - 0.5)
  )
  rgb = _mix(paint.colors[0], paint.colors[1], 0.45 * _lookup(rng, i, j))
  grout = (edge > 0.5 - 0.012 / paint.scale)[..., None]
  return np.where(grout, np.asarray(paint.colors[1], np.float32) * 0.9, rgb)


def _checker(u, v, size, paint, rng):
  odd = (np.floor(u / paint.scale) + np.floor(v / paint.scale)) % 2
  return _mix(paint.colors[0], paint.colors[1], odd)


def _stripes(u, v, size, paint, rng):
  odd = np.floor(u / paint.scale) % 2
  return _mix(paint.colors[0], paint.colors[1], odd)


def _wainscot(u, v, size, paint, rng):
  rgb = _mix(paint.colors[0], paint.colors[1], v < paint.scale)
  rail = np.abs(v - paint.scale) < 0.04
  return np.where(rail[..., None], np.float32(0.9), rgb)


def _panels(u, v, size, paint, rng):
  """Doors of about paint.scale metres with an inset panel and a knob."""
  columns = max(1, round(size[0] / paint.scale))
  rows = max(1, round(size[1] / (1.6 * paint.scale)))
  w, h = size[0] / columns, size[1] / rows
  x, y = u % w, v % h
  border = np.minimum(np.minimum(x, w - x), np.minimum(y, h - y))
  tone = np.where(border < 0.012, 0.55, np.where(border < 0.07, 1.0, 0.9))
  rgb = np.asarray(paint.colors[0], np.float32) * tone[..., None]
  knob = np.hypot(x - w + 0.09, y - 0.5 * h) < 0.03
  return np.where(knob[..., None], np.asarray(paint.colors[1]), rgb)


def _drawers(u, v, size, paint, rng):
  rows = max(1, round(size[1] / paint.scale))
  h = size[1] / rows
  y = v % h
  border = np.minimum(np.minimum(u, size[0] - u), np.minimum(y, h - y))
  rgb = (
    np.asarray(paint.colors[0], np.float32)
    * np.where(border < 0.015, 0.6, 1.0)[..., None]
  )
  pull = (np.abs(u - size[0] / 2) < 0.09) & (np.abs(y - h / 2) < 0.02)
  return np.where(pull[..., None], np.asarray(paint.colors[1]), rgb)


def _shelf(u, v, size, paint, rng):
  """Boards of colors[0] with books of the other colours."""
  rows = max(2, round(size[1] / 0.38))
  h = size[1] / rows
  row, y = np.floor(v / h), v % h
  book = np.floor(u / paint.scale + 0.37 * row)
  colors = np.asarray(paint.colors[1:], np.float32)
  pick = (_lookup(rng, book, row) * len(colors)).astype(int) % len(colors)
  tall = h * (0.55 + 0.35 * _lookup(rng, row, book))
  back = np.asarray(paint.colors[0], np.float32) * 0.45
  rgb = np.where((y < tall)[..., None], colors[pick], back)
  border = np.minimum(np.minimum(u, size[0] - u), np.minimum(y, h - y))
  return np.where((border < 0.03)[..., None], paint.colors[0], rgb)


def _picture(u, v, size, paint, rng):
  """A frame of colors[0] around bands, a disc or a landscape."""
  frame, back, one, two = (np.asarray(c, np.float32) for c in paint.colors[:4])
  x, y = u / size[0], v / size[1]
  style = rng.integers(3)
  if style == 0:
    hill = 0.4 + 0.15 * np.sin(rng.uniform(3, 8) * x + rng.uniform(0, 6))
    rgb = np.where((y < hill)[..., None], one, _mix(two, back, y))
  elif style == 1:
    band = np.floor((x + rng.uniform(-1, 1) * y) * rng.integers(2, 5)) % 2
    rgb = _mix(tuple(one), tuple(back), band)
  else:
    disc = np.hypot((x - rng.uniform(0.3, 0.7)) * size[0], (y - 0.55) * size[1])
    rgb = np.where((disc < 0.28 * min(size))[..., None], two, back)
    rgb = np.where((y < rng.uniform(0.2, 0.4))[..., None], one, rgb)
  border = np.minimum(np.minimum(u, size[0] - u), np.minimum(v, size[1] - v))
  return np.where((border < 0.05)[..., None], frame, rgb)


def _window(u, v, size, paint, rng):
  """Sky above a soft horizon, behind a frame with cross bars."""
  frame, high, low, ground = paint.colors[:4]
  y = v / size[1]
  rgb = _mix(low, high, (y - 0.3) / 0.7)
  hill = 0.28 + 0.05 * np.sin(u * rng.uniform(1, 3) + rng.uniform(0, 6))
  rgb = np.where((y < hill)[..., None], np.asarray(ground, np.float32), rgb)
  panes = max(1, round(size[0] / paint.scale))
  x = u % (size[0] / panes)
  bars = np.minimum(np.minimum(x, size[0] / panes - x), np.abs(v))
  bars = np.minimum(bars, size[1] - v) < 0.045
  if size[1] > 1.3:
    bars |= np.abs(y - 0.62) * size[1] < 0.035
  return np.where(bars[..., None], np.asarray(frame, np.float32), rgb)


def _rug(u, v, size, paint, rng):
  border = np.minimum(np.minimum(u, size[0] - u), np.minimum(v, size[1] - v))
  band = np.floor(border / paint.scale)
  rgb = _mix(paint.colors[0], paint.colors[1], (band == 1) * 1.0)
  return np.where((band > 2)[..., None], np.asarray(paint.colors[2]), rgb)


def _folds(u, v, size, paint, rng):
  fold = 0.86 + 0.14 * np.sin(2 * np.pi * u / paint.scale)
  return np.asarray(paint.colors[0], np.float32) * fold[..., None]


def _screen(u, v, size, paint, rng):
  border = np.minimum(np.minimum(u, size[0] - u), np.minimum(v, size[1] - v))
  glow = _mix(paint.colors[0], paint.colors[1], (u + v) / sum(size))
  return np.where((border < 0.03)[..., None], np.float32(0.06), glow)


PATTERNS: dict[str, Callable] = {
  "plain": _plain,
  "carpet": _carpet,
  "planks": _planks,
  "tiles": _tiles,
  "checker": _checker,
  "stripes": _stripes,
  "wainscot": _wainscot,
  "panels": _panels,
  "drawers": _drawers,
  "shelf": _shelf,
  "picture": _picture,
  "window": _window,
  "rug": _rug,
  "folds": _folds,
  "screen": _screen,
}


SMOOTH = ("plain", "carpet")  # patterns without edges


def resize(grid: np.ndarray, count: int, axis: int) -> np.ndarray:
  """Linear interpolation of cell centres along axis 0 or 1 of [h w C]."""
  n = grid.shape[axis]
  if n == count:
    return grid
  x = np.clip((np.arange(count) + 0.5) * n / count - 0.5, 0, n - 1)
  low = np.minimum(x.astype(int), max(n - 2, 0))
  weight = (x - low).astype(np.float32)
  weight = weight[:, None, None] if axis == 0 else weight[:, None]
  a = np.take(grid, low, axis)
  b = np.take(grid, np.minimum(low + 1, n - 1), axis)
  b -= a
  b *= weight
  b += a
  return b


def albedo(
  paint: Paint, width: float, height: float, columns: int, rows: int
) -> np.ndarray:
  """Paint of a width x height metre face -> linear RGB [rows columns 3].

  Each texel is the mean of 2x2 samples, so edges inside a pattern are soft;
  smooth patterns are interpolated from a coarse grid.
  """
  if paint.kind == "plain" and columns * rows <= 64:
    flat = np.asarray(paint.colors[0], np.float32) ** 2.2
    return np.broadcast_to(flat, (rows, columns, 3))
  w, h = 2 * columns, 2 * rows
  if paint.kind in SMOOTH:
    w = min(columns, int(width / 0.1) + 1)
    h = min(rows, int(height / 0.1) + 1)
  u = (np.arange(w, dtype=np.float32) + 0.5) * np.float32(width / w)
  v = (np.arange(h, dtype=np.float32) + 0.5) * np.float32(height / h)
  u, v = np.broadcast_arrays(u[None, :], v[:, None])
  rng = np.random.Generator(np.random.Philox(paint.seed))
  rgb = PATTERNS[paint.kind](u, v, (width, height), paint, rng)
  rgb = np.clip(rgb, 0, 1).astype(np.float32) ** np.float32(2.2)
  if paint.kind in SMOOTH:
    return resize(resize(rgb, rows, 0), columns, 1)
  rgb = rgb[0::2] + rgb[1::2]
  return (rgb[:, 0::2] + rgb[:, 1::2]) * np.float32(0.25)
