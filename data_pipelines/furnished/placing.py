"""Placing single things in a room: at walls, on tops, around tables."""

import numpy as np

from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.catalog import Catalog
from data_pipelines.furnished.floor_plan import Box, Panel, Placed, Room

Rng = np.random.Generator
PICTURES = 12  # different pictures and rugs of a room


def pick(rng: Rng, catalog: Catalog, part: str) -> Piece | None:
  """A random model for a part."""
  pieces = catalog.get(part, [])
  return pieces[rng.integers(len(pieces))] if pieces else None


def hang(
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


def at_wall(
  room: Room, rng: Rng, catalog: Catalog, part: str, top: str | None = None,
  things: int = 0, **options,
) -> Placed | None:  # fmt: skip
  """A part at a wall with things on top of it."""
  piece = pick(rng, catalog, part)
  placed = piece and room.against_wall(rng, piece, **options)
  if placed and top:
    put_on_top(room, rng, catalog, placed, top, things)
  return placed or None


def put_on_top(room: Room, rng: Rng, catalog: Catalog, under: Placed, part: str,
          things: int) -> None:  # fmt: skip
  """So many random models of a part on top of a piece."""
  for _ in range(things):
    piece = pick(rng, catalog, part)
    if piece is not None:
      room.on_top(rng, under, piece)


def lay_rug(room: Room, rng: Rng, box: Box) -> None:
  """A rug under and around a box."""
  w, d, _ = room.size
  grow = rng.uniform(0.3, 0.7)
  x0, y0 = max(box.low[0] - grow, 0.1), max(box.low[1] - grow, 0.1)
  x1, y1 = min(box.high[0] + grow, w - 0.1), min(box.high[1] + grow, d - 0.1)
  number = int(rng.integers(PICTURES))
  room.panels.append(
    Panel("rug", (x0, y0, 0.006), (x1 - x0, 0, 0), (0, y1 - y0, 0), number)
  )


def place_before(under: Placed, distance: float, sideways: float = 0.0):
  """Plan position before a piece's front, moved along its width."""
  c, s = np.cos(under.turn), np.sin(under.turn)
  y = under.piece.size[1] + distance
  return under.x + c * sideways - s * y, under.y + s * sideways + c * y


def dining_group(room: Room, rng: Rng, catalog: Catalog, table: Piece,
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
  put_on_top(room, rng, catalog, placed, "top_dining", int(rng.integers(1, 5)))
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
    lay_rug(room, rng, placed.box())
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
