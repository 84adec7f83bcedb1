"""Furnishing a random room: openings first, then the theme, then details."""

from collections.abc import Callable

import numpy as np

from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.catalog import Catalog
from data_pipelines.furnished.floor_plan import Box, Panel, Placed, Room

Rng = np.random.Generator
PICTURES = 12  # different pictures and rugs of a room
_SILL = 0.02  # the sky stands this far from its wall, metres


def furnish(rng: Rng, catalog: Catalog) -> Room:
  """A random room. Parts that the catalogue lacks are left out."""
  theme = str(rng.choice(list(THEMES), p=_CHANCES))
  big = theme in ("living", "dining", "play", "studio")
  low, high = (4.2, 6.8) if big else (3.2, 5.4)
  width, depth = rng.uniform(low, high), rng.uniform(low * 0.9, high * 0.9)
  room = Room(theme, (width, depth, rng.uniform(2.45, 3.0)))
  _openings(room, rng, catalog)
  THEMES[theme](room, rng, catalog)
  _details(room, rng, catalog)
  return room


def pick(rng: Rng, catalog: Catalog, part: str) -> Piece | None:
  """A random model for a part."""
  pieces = catalog.get(part, [])
  return pieces[rng.integers(len(pieces))] if pieces else None


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
    _panel(room, "sky", wall, (s, sill + margin),
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


def _panel(
  room: Room, kind: str, wall: int, at: tuple[float, float],
  size: tuple[float, float], out: float, rng: Rng,
) -> None:  # fmt: skip
  """Hangs a rectangle: centre s and lower edge z at, width and height."""
  # u runs to the left of who faces the wall, so that u x v is its normal.
  low = room.spot(wall, at[0] + size[0] / 2, out)
  end = room.spot(wall, at[0] - size[0] / 2, out)
  u = (end[0] - low[0], end[1] - low[1], 0.0)
  number = int(rng.integers(PICTURES))
  room.panels.append(Panel(kind, (*low, at[1]), u, (0.0, 0.0, size[1]), number))


def _details(room: Room, rng: Rng, catalog: Catalog) -> None:
  """Pictures, plants, radiators and things in corners."""
  for _ in range(int(rng.integers(0, 2))):
    _at_wall(room, rng, catalog, "radiator")
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
      _panel(room, "picture", wall, (s, z), (wide, tall), 0.025, rng)
  for _ in range(int(rng.integers(1, 4))):
    piece = pick(rng, catalog, "plant")
    if piece is not None and room.theme != "bath":
      room.against_wall(
        rng, piece, at=float(rng.choice([0.0, 1.0, rng.random()])), back=0.05
      )


def _at_wall(
  room: Room, rng: Rng, catalog: Catalog, part: str, top: str | None = None,
  things: int = 0, **options,
) -> Placed | None:  # fmt: skip
  """A part at a wall with things on top of it."""
  piece = pick(rng, catalog, part)
  placed = piece and room.against_wall(rng, piece, **options)
  if placed and top:
    _tops(room, rng, catalog, placed, top, things)
  return placed or None


def _tops(room: Room, rng: Rng, catalog: Catalog, under: Placed, part: str,
          things: int) -> None:  # fmt: skip
  for _ in range(things):
    piece = pick(rng, catalog, part)
    if piece is not None:
      room.on_top(rng, under, piece)


def _rug(room: Room, rng: Rng, box: Box) -> None:
  """A rug under and around a box."""
  w, d, _ = room.size
  grow = rng.uniform(0.3, 0.7)
  x0, y0 = max(box.low[0] - grow, 0.1), max(box.low[1] - grow, 0.1)
  x1, y1 = min(box.high[0] + grow, w - 0.1), min(box.high[1] + grow, d - 0.1)
  number = int(rng.integers(PICTURES))
  room.panels.append(
    Panel("rug", (x0, y0, 0.006), (x1 - x0, 0, 0), (0, y1 - y0, 0), number)
  )


def _before(under: Placed, distance: float, aside: float = 0.0):
  """Plan position before a piece's front, and aside along its width."""
  c, s = np.cos(under.turn), np.sin(under.turn)
  y = under.piece.size[1] + distance
  return under.x + c * aside - s * y, under.y + s * aside + c * y


def _group(room: Room, rng: Rng, catalog: Catalog, table: Piece,
           chairs: int) -> Placed | None:  # fmt: skip
  """A table in the room with chairs around it."""
  chair = pick(rng, catalog, "chair")
  w, d, _ = room.size
  for _ in range(20):
    turn = float(rng.integers(4)) * np.pi / 2 + rng.choice([0, 0.06, -0.05])
    x, y = rng.uniform(0.9, w - 0.9), rng.uniform(0.9, d - 0.9)
    placed = Placed(table, x, y, 0.0, turn)
    grown = placed.box()
    around = Box(
      (grown.low[0] - 0.45, grown.low[1] - 0.45, 0.0),
      (grown.high[0] + 0.45, grown.high[1] + 0.45, 1.0),
    )
    if room.fits(around, 0.0) and room.put(placed):
      break
  else:
    return None
  _tops(room, rng, catalog, placed, "top_dining", int(rng.integers(1, 5)))
  if chair is None:
    return placed
  across = table.size[0]
  sides = [(-across / 4, 0), (across / 4, 0), (-across / 4, 1),
           (across / 4, 1), (0, 2), (0, 3)]  # fmt: skip
  if across < 1.15:
    sides = [(0, 0), (0, 1), (0, 2), (0, 3)]
  for along, side in sides[:chairs]:
    _pull_up(room, rng, placed, chair, along, side)
  if rng.random() < 0.5:
    _rug(room, rng, placed.box())
  return placed


def _pull_up(room: Room, rng: Rng, table: Placed, chair: Piece,
             along: float, side: int) -> None:  # fmt: skip
  """A chair at side 0 (back), 1 (front), 2 (left) or 3 (right) of a table."""
  across, deep, _ = table.piece.size
  far = chair.size[1] + rng.uniform(0.02, 0.12)
  u, v, spin = (
    (along, -far, 0.0),
    (along, deep + far, np.pi),
    (-across / 2 - far, deep / 2, -np.pi / 2),
    (across / 2 + far, deep / 2, np.pi / 2),
  )[side]
  c, s = np.cos(table.turn), np.sin(table.turn)
  room.put(
    Placed(
      chair,
      table.x + c * u - s * v,
      table.y + s * u + c * v,
      0.0,
      table.turn + spin + rng.uniform(-0.12, 0.12),
    ),
    gap=-0.03,  # chairs are pushed close
  )


def _sofa_corner(room: Room, rng: Rng, catalog: Catalog) -> None:
  sofa = _at_wall(room, rng, catalog, "sofa", front=0.5)
  if sofa is None:
    return
  table = pick(rng, catalog, "coffee_table")
  if table is not None:
    x, y = _before(sofa, rng.uniform(0.25, 0.45))
    placed = Placed(table, x, y, 0.0, sofa.turn)
    if room.put(placed):
      _tops(room, rng, catalog, placed, "top_living", int(rng.integers(1, 4)))
      if rng.random() < 0.7:
        _rug(room, rng, placed.box())
  for side in (-1, 1):
    chair = pick(rng, catalog, "armchair")
    if chair is not None and rng.random() < 0.6:
      reach = sofa.piece.size[0] / 2 + chair.size[1] + rng.uniform(0.0, 0.3)
      x, y = _before(sofa, rng.uniform(0.5, 0.9), side * reach)
      turn = sofa.turn + side * (np.pi / 2 + rng.uniform(-0.15, 0.35))
      room.put(Placed(chair, x, y, 0.0, turn))
  opposite = (round(sofa.turn / (np.pi / 2)) + 2) % 4
  stand = _at_wall(room, rng, catalog, "tv_stand", walls=(opposite,))
  screen = pick(rng, catalog, "tv")
  if stand is not None and screen is not None:
    room.on_top(rng, stand, screen, at=(0.0, 0.5))
    _tops(room, rng, catalog, stand, "top_living", 1)


def _living(room: Room, rng: Rng, catalog: Catalog) -> None:
  _sofa_corner(room, rng, catalog)
  _at_wall(room, rng, catalog, "bookcase", front=0.2)
  for part in rng.permutation(["fireplace", "piano", "cabinet", "aquarium",
                               "bookcase", "speaker"])[:3]:  # fmt: skip
    _at_wall(room, rng, catalog, str(part), "top_living", 2, front=0.2)
  if rng.random() < 0.7:
    _at_wall(room, rng, catalog, "floor_lamp")
  if rng.random() < 0.3:
    _at_wall(room, rng, catalog, "guitar")
  table = pick(rng, catalog, "dining_table")
  if table is not None and room.size[0] * room.size[1] > 20:
    _group(room, rng, catalog, table, int(rng.integers(2, 7)))


def _bedroom(room: Room, rng: Rng, catalog: Catalog) -> None:
  bed = _at_wall(room, rng, catalog, "bed", front=0.4)
  if bed is not None:
    table = pick(rng, catalog, "bedside")
    for side in (-1, 1):
      if table is not None:
        x, y = _before(bed, -bed.piece.size[1], side * (
          bed.piece.size[0] / 2 + table.size[0] / 2 + 0.06))  # fmt: skip
        placed = Placed(table, x, y, 0.0, bed.turn)
        if room.put(placed):
          _tops(room, rng, catalog, placed, "top_living", 1)
    if rng.random() < 0.5:
      _rug(room, rng, bed.box())
  _at_wall(room, rng, catalog, "wardrobe", front=0.4)
  _at_wall(room, rng, catalog, "dressing", "top_living", 2, front=0.3)
  for part in rng.permutation(["bookcase", "armchair", "small_desk", "chair",
                               "cabinet", "suitcase"])[:3]:  # fmt: skip
    _at_wall(room, rng, catalog, str(part), "top_living", 1, front=0.2)


def _kitchen(room: Room, rng: Rng, catalog: Catalog) -> None:
  for wall in [int(i) for i in rng.permutation(4)][: int(rng.integers(1, 3))]:
    _counter(room, rng, catalog, wall)
  _at_wall(room, rng, catalog, "fridge", front=0.5)
  if rng.random() < 0.3:
    _at_wall(room, rng, catalog, "cabinet", "top_kitchen", 2)
  table = pick(rng, catalog, "dining_table")
  if table is not None:
    _group(room, rng, catalog, table, int(rng.integers(2, 7)))
  _at_wall(room, rng, catalog, "basket")


def _counter(room: Room, rng: Rng, catalog: Catalog, wall: int) -> None:
  """A run of lower cabinets with a sink and an oven, and upper ones."""
  order = ["lower", "oven", "lower", "sink", "lower", "lower", "lower"]
  part = {name: pick(rng, catalog, name) for name in dict.fromkeys(order)}
  upper = pick(rng, catalog, "upper")
  s = rng.uniform(0.02, 0.3)
  high = s
  for name in order[int(rng.integers(0, 2)) :]:
    piece = part[name]
    if piece is None:
      continue
    x, y = room.spot(wall, s + piece.size[0] / 2, 0.015)
    placed = Placed(piece, x, y, 0.0, wall * np.pi / 2)
    if room.put(placed, gap=0.0) and name == "lower":
      _tops(room, rng, catalog, placed, "top_kitchen", 1)
    s += piece.size[0] + 0.004
  while upper is not None and high + upper.size[0] < s:
    x, y = room.spot(wall, high + upper.size[0] / 2, 0.01)
    room.put(Placed(upper, x, y, 1.42, wall * np.pi / 2), gap=0.0)
    high += upper.size[0] + 0.004


def _office(room: Room, rng: Rng, catalog: Catalog) -> None:
  for _ in range(int(rng.integers(1, 4))):
    _desk(room, rng, catalog, "desk")
  for part in ("bookcase", "filing", "cabinet", "bookcase"):
    _at_wall(room, rng, catalog, part, "top_desk", 2, front=0.2)
  for part in ("board", "water", "basket", "armchair"):
    if rng.random() < 0.6:
      _at_wall(room, rng, catalog, part)


def _desk(room: Room, rng: Rng, catalog: Catalog, part: str) -> None:
  desk = _at_wall(room, rng, catalog, part, "top_desk", 4, front=0.7)
  chair = pick(rng, catalog, "office_chair")
  if desk is not None and chair is not None:
    x, y = _before(desk, chair.size[1] + rng.uniform(-0.1, 0.15),
                   rng.uniform(-0.15, 0.15))  # fmt: skip
    turn = desk.turn + np.pi + rng.uniform(-0.6, 0.6)
    room.put(Placed(chair, x, y, 0.0, turn), gap=-0.1)


def _dining(room: Room, rng: Rng, catalog: Catalog) -> None:
  table = pick(rng, catalog, "dining_table")
  if table is not None:
    _group(room, rng, catalog, table, 6)
  for part in ("cabinet", "bookcase", "fireplace", "piano"):
    if rng.random() < 0.75:
      _at_wall(room, rng, catalog, part, "top_living", 2, front=0.3)
  _at_wall(room, rng, catalog, "floor_lamp")
  if rng.random() < 0.5:
    _sofa_corner(room, rng, catalog)


def _kids(room: Room, rng: Rng, catalog: Catalog) -> None:
  for _ in range(int(rng.integers(1, 3))):
    _at_wall(room, rng, catalog, "small_bed", front=0.3)
  _desk(room, rng, catalog, "small_desk")
  for part in ("bookcase", "wardrobe", "cabinet"):
    _at_wall(room, rng, catalog, part, "top_kids", 3, front=0.2)
  for _ in range(4):
    _at_wall(room, rng, catalog, "toy_floor", back=rng.uniform(0.05, 0.8))


def _bath(room: Room, rng: Rng, catalog: Catalog) -> None:
  for part in ("bath", "vanity", "toilet", "washer", "basket", "bath",
               "washer", "cabinet", "vanity"):  # fmt: skip
    _at_wall(room, rng, catalog, part, front=0.25)


def _play(room: Room, rng: Rng, catalog: Catalog) -> None:
  w, d, _ = room.size
  for _ in range(2):
    game = pick(rng, catalog, "game")
    for _ in range(12):
      if game is None:
        break
      x, y = rng.uniform(0.5, w - 0.5), rng.uniform(0.5, d - 0.5)
      turn = float(rng.integers(4)) * np.pi / 2
      if room.put(Placed(game, x, y, 0.0, turn), gap=0.3):
        break
  for part in ("sofa", "cabinet", "speaker", "piano", "guitar", "bookcase",
               "armchair", "game"):  # fmt: skip
    if rng.random() < 0.7:
      _at_wall(room, rng, catalog, part, "top_living", 2, front=0.2)


def _studio(room: Room, rng: Rng, catalog: Catalog) -> None:
  _bedroom(room, rng, catalog)
  _sofa_corner(room, rng, catalog)
  if rng.random() < 0.6:
    _counter(room, rng, catalog, int(rng.integers(4)))
  if rng.random() < 0.6:
    _desk(room, rng, catalog, "desk")


THEMES: dict[str, Callable[[Room, Rng, Catalog], None]] = {
  "living": _living,
  "bedroom": _bedroom,
  "kitchen": _kitchen,
  "office": _office,
  "dining": _dining,
  "kids": _kids,
  "bath": _bath,
  "play": _play,
  "studio": _studio,
}
_CHANCES = (0.24, 0.16, 0.15, 0.13, 0.1, 0.07, 0.04, 0.04, 0.07)
