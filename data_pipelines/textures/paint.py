"""Colours of procedural surfaces: what paints them, palettes of rooms."""

import dataclasses

import numpy as np

Color = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Paint:
  """How a surface looks.

  kind: a pattern of patterns.py. colors: display-space RGB triples in
  [0, 1]. scale: pattern size in metres. seed: picks the pattern's random
  details. emit: share of its own light, 0 for a surface that is only lit.
  """

  kind: str
  colors: tuple[tuple[float, ...], ...]
  scale: float = 1.0
  seed: int = 0
  emit: float = 0.0


@dataclasses.dataclass(frozen=True)
class Palette:
  """Colours that go together in one room, display-space RGB."""

  walls: tuple[Color, Color]
  floor: tuple[Color, Color]
  ceiling: Color
  wood: tuple[Color, Color]
  accents: tuple[Color, ...]
  trim: Color


def hsv(hue: float, saturation: float, value: float) -> Color:
  """Hue in turns, saturation and value in [0, 1] -> RGB."""
  ramp = np.abs((hue + np.array([0.0, 2 / 3, 1 / 3])) % 1.0 * 6 - 3) - 1
  rgb = value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))
  return tuple(float(c) for c in rgb)


def shade(color: Color, factor: float) -> Color:
  """A darker (factor < 1) or lighter version of a colour."""
  return tuple(float(min(1.0, c * factor)) for c in color)


def random_palette(rng: np.random.Generator) -> Palette:
  """One base hue, its neighbours and its complement, and a wood tone."""
  hue = rng.random()
  wall = hsv(hue, rng.uniform(0.05, 0.38), rng.uniform(0.72, 0.95))
  second = hsv(
    hue + rng.choice([0.0, 0.08, 0.5]), rng.uniform(0.2, 0.6),
    rng.uniform(0.45, 0.85),
  )  # fmt: skip
  wood_hue = rng.uniform(0.05, 0.11)
  wood_value = rng.uniform(0.32, 0.8)
  wood = hsv(wood_hue, rng.uniform(0.35, 0.65), wood_value)
  floor_kind = rng.random()
  if floor_kind < 0.55:
    floor = hsv(
      rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.8)
    )
  elif floor_kind < 0.8:
    floor = hsv(hue + 0.5, rng.uniform(0.1, 0.5), rng.uniform(0.35, 0.75))
  else:
    floor = hsv(rng.random(), rng.uniform(0.0, 0.15), rng.uniform(0.4, 0.85))
  offsets = [0.5, rng.choice([0.33, -0.33]), rng.choice([0.1, -0.1]), 0.58]
  accents = tuple(
    hsv(hue + offset, rng.uniform(0.32, 0.66), rng.uniform(0.35, 0.82))
    for offset in offsets
  )
  return Palette(
    walls=(wall, second),
    floor=(floor, shade(floor, rng.uniform(0.62, 0.85))),
    ceiling=hsv(hue, rng.uniform(0.0, 0.06), rng.uniform(0.92, 0.99)),
    wood=(wood, shade(wood, 0.8)),
    accents=accents,
    trim=hsv(wood_hue, rng.uniform(0.0, 0.1), rng.uniform(0.88, 0.98)),
  )
