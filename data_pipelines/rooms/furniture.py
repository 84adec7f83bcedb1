"""Furniture of procedural rooms, each piece built from a few boxes and balls.

A piece stands in a Frame: x along its front, y from its back (0) to its
front, z up, metres. Every builder has the signature
(scene, frame, footprint (width, depth), palette, rng).
"""

from collections.abc import Callable

import numpy as np

from data_pipelines.rooms.scene import Frame, Scene, add_ball, add_box, add_lamp
from data_pipelines.textures.paint import Paint, Palette, shade

Size = tuple[float, float]
WARM = np.array([1.0, 0.83, 0.6])


def _seed(rng: np.random.Generator) -> int:
  return int(rng.integers(1 << 31))


def _accent(palette: Palette, rng: np.random.Generator) -> tuple[float, ...]:
  return palette.accents[rng.integers(len(palette.accents))]


def _wood(palette: Palette, rng: np.random.Generator) -> tuple[float, ...]:
  colors = [palette.wood[0], palette.wood[1], palette.trim]
  return colors[rng.choice(3, p=[0.5, 0.25, 0.25])]


def _plain(color: tuple[float, ...], rng: np.random.Generator) -> Paint:
  return Paint("plain", (color,), 0.8, _seed(rng))


def sofa(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """Seat, back, arms and two cushions."""
  w, d = size
  color = _accent(palette, rng)
  paint, light = _plain(color, rng), _plain(shade(color, 1.15), rng)
  seat, back = rng.uniform(0.38, 0.46), rng.uniform(0.75, 0.95)
  add_box(scene, frame, (0, d / 2, seat / 2), (w, d, seat), paint, top=light)
  add_box(scene, frame, (0, 0.11, back / 2), (w, 0.22, back), paint)
  for side in (-1, 1):
    x = side * (w / 2 - 0.09)
    add_box(scene, frame, (x, d / 2, 0.31), (0.18, d, 0.62), paint)
  pillow = _plain(_accent(palette, rng), rng)
  for side in (-1, 1):
    x = side * (w / 2 - 0.45)
    add_box(
      scene, frame, (x, 0.31, seat + 0.17), (0.4, 0.14, 0.34), pillow,
      shadow=False,
    )  # fmt: skip


def cabinet(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A wardrobe, a sideboard or a chest of drawers, sometimes with a ball."""
  w, d = size
  height = rng.choice([0.8, 0.95, 1.3, 1.9, 2.1]) * rng.uniform(0.92, 1.05)
  color = _wood(palette, rng) if rng.random() < 0.7 else _accent(palette, rng)
  knob = (0.85, 0.75, 0.5) if sum(color) < 1.8 else (0.25, 0.22, 0.2)
  kind, scale = ("panels", 0.5) if rng.random() < 0.6 else ("drawers", 0.28)
  front = Paint(kind, (color, knob), scale, _seed(rng))
  center = (0, d / 2, height / 2)
  add_box(scene, frame, center, (w, d, height), _plain(color, rng), front=front)
  if height < 1.2:
    ornament(scene, frame, (rng.uniform(-w / 3, w / 3), d / 2, height),
             palette, rng)  # fmt: skip


def ornament(
  scene: Scene, frame: Frame, spot: tuple[float, float, float],
  palette: Palette, rng: np.random.Generator,
) -> None:  # fmt: skip
  """A vase, a ball or a small lamp standing on a surface."""
  x, y, z = spot
  pick = rng.random()
  if pick < 0.35:
    radius = rng.uniform(0.1, 0.17)
    center = frame.point(x, y, z + radius)
    add_ball(scene, center, radius, _plain(_accent(palette, rng), rng))
  elif pick < 0.7:
    foot = _plain(_wood(palette, rng), rng)
    add_box(scene, frame, (x, y, z + 0.1), (0.08, 0.08, 0.2), foot,
            shadow=False)  # fmt: skip
    glow = Paint("plain", ((1.0, 0.9, 0.7),), emit=1.6)
    center = frame.point(x, y, z + 0.33)
    add_ball(scene, center, 0.16, glow, shadow=False)
    add_lamp(scene, center, 0.25 * WARM)
  else:
    paint = _plain(_accent(palette, rng), rng)
    add_box(scene, frame, (x, y, z + 0.16), (0.14, 0.14, 0.32), paint)


def bookshelf(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A tall case with coloured books."""
  w, d = size
  height = rng.uniform(1.5, 2.2)
  color = _wood(palette, rng)
  colors = (color, *palette.accents, palette.trim)
  front = Paint("shelf", colors, rng.uniform(0.12, 0.22), _seed(rng))
  add_box(scene, frame, (0, d / 2, height / 2), (w, d, height),
          _plain(color, rng), front=front)  # fmt: skip


def bed(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """Head board, mattress, blanket and pillows."""
  w, d = size
  wood = _plain(_wood(palette, rng), rng)
  sheet = _plain(palette.trim, rng)
  blanket = _plain(_accent(palette, rng), rng)
  add_box(scene, frame, (0, 0.05, 0.5), (w, 0.1, 1.0), wood)
  add_box(scene, frame, (0, d / 2, 0.14), (w, d, 0.28), wood)
  add_box(scene, frame, (0, d / 2, 0.38), (w - 0.08, d - 0.15, 0.2), sheet)
  length = 0.62 * d
  add_box(scene, frame, (0, d - length / 2 + 0.02, 0.39),
          (w + 0.04, length, 0.22), blanket)  # fmt: skip
  for x in (-w / 4, w / 4):
    add_box(scene, frame, (x, 0.34, 0.54), (0.36 * w, 0.34, 0.12), sheet)


def desk(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A table against the wall with a drawer block and a screen."""
  w, d = size
  color = _wood(palette, rng)
  paint = _plain(color, rng)
  add_box(scene, frame, (0, d / 2, 0.74), (w, d, 0.06), paint)
  drawers = Paint("drawers", (color, (0.3, 0.28, 0.25)), 0.22, _seed(rng))
  add_box(scene, frame, (-w / 2 + 0.22, d / 2, 0.355), (0.4, d - 0.06, 0.71),
          paint, front=drawers)  # fmt: skip
  add_box(scene, frame, (w / 2 - 0.04, d / 2, 0.355), (0.06, d - 0.06, 0.71),
          paint)  # fmt: skip
  glow = Paint("screen", ((0.2, 0.35, 0.6), (0.5, 0.75, 0.9)), emit=0.5)
  dark = Paint("plain", ((0.12, 0.12, 0.13),))
  add_box(scene, frame, (0.1, d / 3, 1.03), (0.62, 0.05, 0.4), dark,
          front=glow)  # fmt: skip
  ornament(scene, frame, (-w / 3, d / 2, 0.77), palette, rng)


def table(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A dining or coffee table with four legs, things on it."""
  w, d = size
  height = 0.74 if min(size) > 0.72 else 0.42
  top = _plain(_wood(palette, rng), rng)
  leg = _plain(shade(top.colors[0], 0.75), rng)
  add_box(scene, frame, (0, d / 2, height - 0.035), (w, d, 0.07), top)
  for x in (-w / 2 + 0.07, w / 2 - 0.07):
    for y in (0.07, d - 0.07):
      add_box(scene, frame, (x, y, height / 2 - 0.035),
              (0.08, 0.08, height - 0.07), leg, shadow=False)  # fmt: skip
  ornament(scene, frame, (rng.uniform(-0.2, 0.2) * w, d / 2, height),
           palette, rng)  # fmt: skip


def chair(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A seat on a foot with a back rest."""
  w, d = size
  paint = _plain(_accent(palette, rng), rng)
  foot = _plain(shade(palette.wood[1], 0.8), rng)
  add_box(scene, frame, (0, d / 2, 0.44), (w, d, 0.1), paint)
  add_box(scene, frame, (0, d / 2, 0.2), (0.6 * w, 0.6 * d, 0.39), foot)
  add_box(scene, frame, (0, 0.035, 0.72), (w, 0.08, 0.5), paint)


def pouf(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A low cube, or a big ball."""
  radius = min(size) / 2
  paint = _plain(_accent(palette, rng), rng)
  if rng.random() < 0.5:
    add_ball(scene, frame.point(0, size[1] / 2, radius), radius, paint)
  else:
    add_box(scene, frame, (0, size[1] / 2, 0.21), (*size, 0.42), paint,
            top=_plain(shade(paint.colors[0], 1.2), rng))  # fmt: skip


def plant(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A pot with a round green crown."""
  y = size[1] / 2
  pot = _plain(_accent(palette, rng), rng)
  green = (rng.uniform(0.15, 0.35), rng.uniform(0.42, 0.6), 0.22)
  add_box(scene, frame, (0, y, 0.2), (0.36, 0.36, 0.4), pot)
  for z, radius in ((0.66, 0.29), (1.02, 0.24), (1.3, 0.16)):
    z *= rng.uniform(0.9, 1.1)
    crown = Paint("carpet", (green, shade(green, 1.35)), 0.3, _seed(rng))
    offset = rng.uniform(-0.06, 0.06, 2)
    center = frame.point(offset[0], y + offset[1], z)
    add_ball(scene, center, radius, crown, shadow=z < 0.8)


def floor_lamp(
  scene: Scene, frame: Frame, size: Size, palette: Palette,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  """A pole with a glowing globe."""
  y, height = size[1] / 2, rng.uniform(1.4, 1.7)
  pole = Paint("plain", ((0.25, 0.22, 0.2),))
  add_box(scene, frame, (0, y, 0.02), (0.3, 0.3, 0.04), pole, shadow=False)
  add_box(scene, frame, (0, y, height / 2), (0.05, 0.05, height), pole,
          shadow=False)  # fmt: skip
  center = frame.point(0, y, height + 0.15)
  glow = Paint("plain", ((1.0, 0.9, 0.68),), emit=1.6)
  add_ball(scene, center, 0.2, glow, shadow=False)
  add_lamp(scene, center, 0.5 * WARM)


# name -> (builder, width range, depth range), all metres
WALL_PIECES: dict[str, tuple[Callable, Size, Size]] = {
  "sofa": (sofa, (1.5, 2.3), (0.8, 0.95)),
  "cabinet": (cabinet, (0.8, 1.8), (0.4, 0.6)),
  "bookshelf": (bookshelf, (0.8, 1.6), (0.3, 0.4)),
  "bed": (bed, (1.2, 1.8), (1.9, 2.1)),
  "desk": (desk, (1.2, 1.7), (0.6, 0.75)),
  "chair": (chair, (0.55, 0.8), (0.55, 0.75)),
  "plant": (plant, (0.6, 0.6), (0.6, 0.6)),
  "floor_lamp": (floor_lamp, (0.4, 0.4), (0.4, 0.4)),
}
FREE_PIECES: dict[str, tuple[Callable, Size, Size]] = {
  "table": (table, (0.9, 1.7), (0.6, 0.95)),
  "pouf": (pouf, (0.5, 0.7), (0.5, 0.7)),
  "chair": (chair, (0.5, 0.7), (0.5, 0.65)),
}
