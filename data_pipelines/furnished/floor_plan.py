"""The floor plan of a furnished room: walls, boxes that are taken, places."""

import dataclasses

import numpy as np

from data_pipelines.furnished.assets import Piece


@dataclasses.dataclass(frozen=True)
class Box:
  """An axis-aligned box, metres. solid: neither furniture nor camera enters.

  Boxes that are not solid keep furniture away: what a door sweeps, the
  window above a sill.
  """

  low: tuple[float, float, float]
  high: tuple[float, float, float]
  solid: bool = True

  def meets(self, other: "Box", gap: float = 0.0) -> bool:
    """They overlap, or come closer than gap."""
    return all(
      a < d - 1e-6 + gap and c < b - 1e-6 + gap
      for a, b, c, d in zip(
        self.low, self.high, other.low, other.high, strict=True
      )
    )


@dataclasses.dataclass(frozen=True)
class Placed:
  """A piece in the room.

  x, y, z: the middle of its back edge, on its foot, metres. turn: radians,
  0 faces along +y. scale: of its size across, from back to front, up.
  """

  piece: Piece
  x: float
  y: float
  z: float
  turn: float
  scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

  def box(self) -> Box:
    """The box around its turned footprint."""
    across, deep, tall = (
      a * b for a, b in zip(self.piece.size, self.scale, strict=True)
    )
    c, s = np.cos(self.turn), np.sin(self.turn)
    x = np.array([-across / 2, across / 2, across / 2, -across / 2])
    y = np.array([0.0, 0.0, deep, deep])
    u, v = self.x + c * x - s * y, self.y + s * x + c * y
    return Box(
      (float(u.min()), float(v.min()), self.z),
      (float(u.max()), float(v.max()), self.z + tall),
    )


@dataclasses.dataclass(frozen=True)
class Panel:
  """A flat rectangle on a wall, on the floor or under the ceiling.

  kind: "sky", "picture", "rug" or "lamp". origin: one corner; u, v: its
  edges [3], metres, so that u x v points into the room. number: which image.
  """

  kind: str
  origin: tuple[float, float, float]
  u: tuple[float, float, float]
  v: tuple[float, float, float]
  number: int = 0


@dataclasses.dataclass
class Room:
  """A furnished room from (0, 0, 0) to size (width, depth, height), metres."""

  theme: str
  size: tuple[float, float, float]
  placed: list[Placed] = dataclasses.field(default_factory=list)
  panels: list[Panel] = dataclasses.field(default_factory=list)
  taken: list[Box] = dataclasses.field(default_factory=list)

  def length(self, wall: int) -> float:
    """Of wall 0 (y = 0), 1 (x = width), 2 (y = depth) or 3 (x = 0)."""
    return self.size[wall % 2]

  def spot(self, wall: int, s: float, out: float = 0.0) -> tuple[float, float]:
    """Plan position s metres along a wall and out metres into the room."""
    w, d, _ = self.size
    return (
      (s, out), (w - out, s), (w - s, d - out), (out, d - s)
    )[wall]  # fmt: skip

  def wall_box(
    self, wall: int, span: tuple[float, float], rise: tuple[float, float],
    out: float, solid: bool = True,
  ) -> Box:  # fmt: skip
    """The box over span along a wall, rise in height and out into the room."""
    a, b = self.spot(wall, span[0]), self.spot(wall, span[1], out)
    return Box(
      (min(a[0], b[0]), min(a[1], b[1]), rise[0]),
      (max(a[0], b[0]), max(a[1], b[1]), rise[1]),
      solid,
    )

  def fits(self, box: Box, gap: float = 0.02) -> bool:
    """Inside the room and free of all that is taken."""
    return self.inside(box) and not any(box.meets(t, gap) for t in self.taken)

  def inside(self, box: Box) -> bool:
    """Between the walls, the floor and the ceiling."""
    return all(a > -1e-3 for a in box.low) and all(
      b < limit + 1e-3 for b, limit in zip(box.high, self.size, strict=True)
    )

  def put(self, placed: Placed, gap: float = 0.02) -> bool:
    """Adds a piece if it fits."""
    box = placed.box()
    if not self.fits(box, gap):
      return False
    self.placed.append(placed)
    self.taken.append(box)
    return True

  def against_wall(
    self, rng: np.random.Generator, piece: Piece, *, walls=(0, 1, 2, 3),
    front: float = 0.0, z: float = 0.0, gap: float = 0.04,
    at: float | None = None, back: float = 0.015,
  ) -> Placed | None:  # fmt: skip
    """Puts a piece at a wall, front metres before it left free.

    at: centre along the wall as a share of its length, or anywhere.
    """
    for _ in range(10):
      wall = int(rng.choice(walls))
      half = piece.size[0] / 2
      room = self.length(wall) - 2 * half - 0.04
      if room < 0:
        continue
      share = rng.random() if at is None else at
      if at is None and piece.size[2] > 1.3 and rng.random() < 0.6:
        share = rng.choice([0.01, 0.99])  # tall things like corners
      s = half + 0.02 + room * share
      x, y = self.spot(wall, s, back)
      placed = Placed(piece, x, y, z, wall * np.pi / 2)
      box = placed.box()
      zone = self.wall_box(
        wall, (s - half, s + half), (0.0, 1.0),
        back + piece.size[1] + front, False,
      )  # fmt: skip
      if self.fits(box, gap) and (front <= 0 or self.fits(zone, 0.0)):
        self.placed.append(placed)
        self.taken.append(box)
        return placed
    return None

  def on_top(
    self, rng: np.random.Generator, under: Placed, piece: Piece,
    at: tuple[float, float] | None = None,
  ) -> Placed | None:  # fmt: skip
    """Stands a piece on another one's top."""
    across, deep, _ = under.piece.size
    if under.piece.top is None:
      return None
    for _ in range(6):
      x, y = at or (rng.uniform(-0.45, 0.45), rng.uniform(0.15, 0.85))
      free_x = max(across - piece.size[0], 0.0)
      free_y = max(deep - piece.size[1], 0.0)
      if piece.size[0] > across + 0.05 or piece.size[1] > deep + 0.08:
        return None
      u, v = x * free_x, y * free_y
      c, s = np.cos(under.turn), np.sin(under.turn)
      spin = 0.0 if at else rng.uniform(-0.25, 0.25)
      placed = Placed(
        piece,
        under.x + c * u - s * v,
        under.y + s * u + c * v,
        under.z + under.piece.top * under.scale[2] + 0.002,
        under.turn + spin,
      )
      box = placed.box()
      others = [t for t in self.taken if t != under.box()]
      if self.inside(box) and not any(box.meets(t, 0.01) for t in others):
        self.placed.append(placed)
        self.taken.append(box)
        return placed
    return None
