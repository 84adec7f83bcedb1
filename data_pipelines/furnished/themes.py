"""Nine kinds of rooms, each with its furniture."""

from collections.abc import Callable

import numpy as np

from data_pipelines.furnished.catalog import Catalog
from data_pipelines.furnished.floor_plan import Placed, Room
from data_pipelines.furnished.placing import (
  at_wall,
  dining_group,
  lay_rug,
  pick,
  place_before,
  put_on_top,
)

Rng = np.random.Generator


def _sofa_corner(room: Room, rng: Rng, catalog: Catalog) -> None:
  sofa = at_wall(room, rng, catalog, "sofa", front=0.5)
  if sofa is None:
    return
  table = pick(rng, catalog, "coffee_table")
  if table is not None:
    x, y = place_before(sofa, rng.uniform(0.25, 0.45))
    placed = Placed(table, x, y, 0.0, sofa.turn)
    if room.put(placed):
      put_on_top(
        room, rng, catalog, placed, "top_living", int(rng.integers(1, 4))
      )
      if rng.random() < 0.7:
        lay_rug(room, rng, placed.box())
  for side in (-1, 1):
    chair = pick(rng, catalog, "armchair")
    if chair is not None and rng.random() < 0.6:
      reach = sofa.piece.size[0] / 2 + chair.size[1] + rng.uniform(0.0, 0.3)
      x, y = place_before(sofa, rng.uniform(0.5, 0.9), side * reach)
      turn = sofa.turn + side * (np.pi / 2 + rng.uniform(-0.15, 0.35))
      room.put(Placed(chair, x, y, 0.0, turn))
  opposite = (round(sofa.turn / (np.pi / 2)) + 2) % 4
  stand = at_wall(room, rng, catalog, "tv_stand", walls=(opposite,))
  screen = pick(rng, catalog, "tv")
  if stand is not None and screen is not None:
    room.on_top(rng, stand, screen, at=(0.0, 0.5))
    put_on_top(room, rng, catalog, stand, "top_living", 1)


def _living(room: Room, rng: Rng, catalog: Catalog) -> None:
  _sofa_corner(room, rng, catalog)
  at_wall(room, rng, catalog, "bookcase", front=0.2)
  for part in rng.permutation(["fireplace", "piano", "cabinet", "aquarium",
                               "bookcase", "speaker"])[:3]:  # fmt: skip
    at_wall(room, rng, catalog, str(part), "top_living", 2, front=0.2)
  if rng.random() < 0.7:
    at_wall(room, rng, catalog, "floor_lamp")
  if rng.random() < 0.3:
    at_wall(room, rng, catalog, "guitar")
  table = pick(rng, catalog, "dining_table")
  if table is not None and room.size[0] * room.size[1] > 20:
    dining_group(room, rng, catalog, table, int(rng.integers(2, 7)))


def _bedroom(room: Room, rng: Rng, catalog: Catalog) -> None:
  bed = at_wall(room, rng, catalog, "bed", front=0.4)
  if bed is not None:
    table = pick(rng, catalog, "bedside")
    for side in (-1, 1):
      if table is not None:
        x, y = place_before(bed, -bed.piece.size[1], side * (
          bed.piece.size[0] / 2 + table.size[0] / 2 + 0.06))  # fmt: skip
        placed = Placed(table, x, y, 0.0, bed.turn)
        if room.put(placed):
          put_on_top(room, rng, catalog, placed, "top_living", 1)
    if rng.random() < 0.5:
      lay_rug(room, rng, bed.box())
  at_wall(room, rng, catalog, "wardrobe", front=0.4)
  at_wall(room, rng, catalog, "dressing", "top_living", 2, front=0.3)
  for part in rng.permutation(["bookcase", "armchair", "small_desk", "chair",
                               "cabinet", "suitcase"])[:3]:  # fmt: skip
    at_wall(room, rng, catalog, str(part), "top_living", 1, front=0.2)


def _kitchen(room: Room, rng: Rng, catalog: Catalog) -> None:
  for wall in [int(i) for i in rng.permutation(4)][: int(rng.integers(1, 3))]:
    _counter(room, rng, catalog, wall)
  at_wall(room, rng, catalog, "fridge", front=0.5)
  if rng.random() < 0.3:
    at_wall(room, rng, catalog, "cabinet", "top_kitchen", 2)
  table = pick(rng, catalog, "dining_table")
  if table is not None:
    dining_group(room, rng, catalog, table, int(rng.integers(2, 7)))
  at_wall(room, rng, catalog, "basket")


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
      put_on_top(room, rng, catalog, placed, "top_kitchen", 1)
    s += piece.size[0] + 0.004
  while upper is not None and high + upper.size[0] < s:
    x, y = room.spot(wall, high + upper.size[0] / 2, 0.01)
    room.put(Placed(upper, x, y, 1.42, wall * np.pi / 2), gap=0.0)
    high += upper.size[0] + 0.004


def _office(room: Room, rng: Rng, catalog: Catalog) -> None:
  for _ in range(int(rng.integers(1, 4))):
    _desk(room, rng, catalog, "desk")
  for part in ("bookcase", "filing", "cabinet", "bookcase"):
    at_wall(room, rng, catalog, part, "top_desk", 2, front=0.2)
  for part in ("board", "water", "basket", "armchair"):
    if rng.random() < 0.6:
      at_wall(room, rng, catalog, part)


def _desk(room: Room, rng: Rng, catalog: Catalog, part: str) -> None:
  desk = at_wall(room, rng, catalog, part, "top_desk", 4, front=0.7)
  chair = pick(rng, catalog, "office_chair")
  if desk is not None and chair is not None:
    x, y = place_before(desk, chair.size[1] + rng.uniform(-0.1, 0.15),
                   rng.uniform(-0.15, 0.15))  # fmt: skip
    turn = desk.turn + np.pi + rng.uniform(-0.6, 0.6)
    room.put(Placed(chair, x, y, 0.0, turn), gap=-0.1)


def _dining(room: Room, rng: Rng, catalog: Catalog) -> None:
  table = pick(rng, catalog, "dining_table")
  if table is not None:
    dining_group(room, rng, catalog, table, 6)
  for part in ("cabinet", "bookcase", "fireplace", "piano"):
    if rng.random() < 0.75:
      at_wall(room, rng, catalog, part, "top_living", 2, front=0.3)
  at_wall(room, rng, catalog, "floor_lamp")
  if rng.random() < 0.5:
    _sofa_corner(room, rng, catalog)


def _kids(room: Room, rng: Rng, catalog: Catalog) -> None:
  for _ in range(int(rng.integers(1, 3))):
    at_wall(room, rng, catalog, "small_bed", front=0.3)
  _desk(room, rng, catalog, "small_desk")
  for part in ("bookcase", "wardrobe", "cabinet"):
    at_wall(room, rng, catalog, part, "top_kids", 3, front=0.2)
  for _ in range(4):
    at_wall(room, rng, catalog, "toy_floor", back=rng.uniform(0.05, 0.8))


def _bath(room: Room, rng: Rng, catalog: Catalog) -> None:
  for part in ("bath", "vanity", "toilet", "washer", "basket", "bath",
               "washer", "cabinet", "vanity"):  # fmt: skip
    at_wall(room, rng, catalog, part, front=0.25)


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
      at_wall(room, rng, catalog, part, "top_living", 2, front=0.2)


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
CHANCES = (0.24, 0.16, 0.15, 0.13, 0.1, 0.07, 0.04, 0.04, 0.07)
