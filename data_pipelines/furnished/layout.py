"""Furnishing a random room: openings first, then the theme, then details."""

import numpy as np

from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.catalog import Catalog
from data_pipelines.furnished.floor_plan import Panel, Placed, Room
from data_pipelines.furnished.placing import at_wall, hang, pick
from data_pipelines.furnished.themes import CHANCES, THEMES

Rng = np.random.Generator
_SILL = 0.02  # the sky stands this far from its wall, metres


def furnish(rng: Rng, catalog: Catalog) -> Room:
  """A random room. Parts that the catalogue lacks are left out."""
  theme = str(rng.choice(list(THEMES), p=CHANCES))
  big = theme in ("living", "dining", "play", "studio")
  low, high = (4.2, 6.8) if big else (3.2, 5.4)
  width, depth = rng.uniform(low, high), rng.uniform(low * 0.9, high * 0.9)
  room = Room(theme, (width, depth, rng.uniform(2.45, 3.0)))
  _openings(room, rng, catalog)
  THEMES[theme](room, rng, catalog)
  _details(room, rng, catalog)
  return room


def _openings(room: Room, rng: Rng, catalog: Catalog) -> None:
  walls = [int(i) for i in rng.permutation(4)]
  _door(room, rng, catalog, walls[0])
  for wall in walls[: int(rng.integers(2, 4))][::-1]:
    count = 2 if room.length(wall) > 4.5 and rng.random() < 0.5 else 1
    for _ in range(count):
      _window(room, rng, catalog, wall)
  lamp = pick(rng, catalog, "hanging")
  w, d, h = room.size
  x, y = w * rng.uniform(0.4, 0.6), d * rng.uniform(0.4, 0.6)
  size = rng.uniform(0.3, 0.55)
  room.panels.append(
    Panel(
      "lamp",
      (x - size / 2, y + size / 2, h - 0.01),
      (size, 0, 0),
      (0, -size, 0),
    )
  )
  if lamp is not None and rng.random() < 0.45:
    # Shortened, so that nobody bumps into it.
    tall = min(lamp.size[2], 0.75) / lamp.size[2]
    z = h - lamp.size[2] * tall
    room.placed.append(
      Placed(lamp, x, y - lamp.size[1] / 2, z, 0.0, (1.0, 1.0, tall))
    )


def _door(room: Room, rng: Rng, catalog: Catalog, wall: int) -> None:
  piece = pick(rng, catalog, "door")
  if piece is None:
    return
  half = piece.size[0] / 2
  s = rng.uniform(half + 0.1, room.length(wall) - half - 0.1)
  x, y = room.spot(wall, s)
  flat = 0.07 / piece.size[1]
  turn = wall * np.pi / 2
  room.placed.append(Placed(piece, x, y, 0.0, turn, (1.0, flat, 1.0)))
  span = (s - half - 0.05, s + half + 0.05)
  room.taken.append(
    room.wall_box(wall, span, (0.0, piece.size[2]), 0.9, solid=False)
  )


def _window(room: Room, rng: Rng, catalog: Catalog, wall: int) -> None:
  piece = pick(rng, catalog, "window")
  if piece is None:
    return
  wide = piece.size[0] * (rng.uniform(1.2, 1.7) if piece.size[0] < 0.8 else 1)
  top = min(room.size[2] - 0.2, rng.uniform(2.1, 2.35))
  sill = piece.elevation if piece.elevation < 0.3 else rng.uniform(0.8, 1.0)
  if piece.size[2] > 1.6 and rng.random() < 0.6:
    sill = rng.uniform(0.6, 0.95)  # French windows, made shorter
  tall = top - sill
  for _ in range(6):
    if room.length(wall) < wide + 0.4:
      return
    s = rng.uniform(wide / 2 + 0.2, room.length(wall) - wide / 2 - 0.2)
    span = (s - wide / 2 - 0.06, s + wide / 2 + 0.06)
    box = room.wall_box(wall, span, (sill - 0.05, top + 0.05), 0.25, False)
    if not room.fits(box):
      continue
    room.taken.append(box)
    scale = (wide / piece.size[0], 0.08 / piece.size[1], tall / piece.size[2])
    x, y = room.spot(wall, s)
    room.placed.append(Placed(piece, x, y, sill, wall * np.pi / 2, scale))
    margin = 0.03
    hang(room, "sky", wall, (s, sill + margin),
           (wide - 2 * margin, tall - 2 * margin), _SILL, rng)  # fmt: skip
    cloth = pick(rng, catalog, "curtain")
    if cloth is not None and rng.random() < 0.4:
      _curtains(room, cloth, wall, s, wide, top)
    return


def _curtains(
  room: Room, cloth: Piece, wall: int, s: float, wide: float, top: float
) -> None:
  for side in (-1, 1):
    x, y = room.spot(wall, s + side * (wide / 2 + 0.16), 0.09)
    scale = (0.36 / cloth.size[0], 1.0, (top + 0.06) / cloth.size[2])
    placed = Placed(cloth, x, y, 0.02, wall * np.pi / 2, scale)
    if room.inside(placed.box()) and room.fits(
      room.wall_box(wall, (s - 0.01, s + 0.01), (0, 0.1), 0.1)
    ):
      room.placed.append(placed)
      room.taken.append(placed.box())


def _details(room: Room, rng: Rng, catalog: Catalog) -> None:
  """Pictures, plants, radiators and things in corners."""
  for _ in range(int(rng.integers(0, 2))):
    at_wall(room, rng, catalog, "radiator")
  for _ in range(int(rng.integers(8, 18))):
    wide, tall = rng.uniform(0.4, 1.1), rng.uniform(0.4, 0.8)
    wall, z = int(rng.integers(4)), rng.uniform(1.25, 1.5)
    if room.length(wall) < wide + 0.3:
      continue
    s = rng.uniform(wide / 2 + 0.1, room.length(wall) - wide / 2 - 0.1)
    span = (s - wide / 2, s + wide / 2)
    box = room.wall_box(wall, span, (z, z + tall), 0.04)
    if room.fits(box, 0.08):
      room.taken.append(box)
      hang(room, "picture", wall, (s, z), (wide, tall), 0.025, rng)
  for _ in range(int(rng.integers(1, 4))):
    piece = pick(rng, catalog, "plant")
    if piece is not None and room.theme != "bath":
      room.against_wall(
        rng, piece, at=float(rng.choice([0.0, 1.0, rng.random()])), back=0.05
      )
