"""Floor plans of rooms: walls with windows, doors and pictures."""

import dataclasses

import numpy as np

from data_pipelines.rooms.scene import (
  UP,
  Block,
  Face,
  Frame,
  Light,
  Scene,
  add_box,
  add_obstacle,
)
from data_pipelines.textures.paint import Paint, Palette, hsv


@dataclasses.dataclass
class Wall:
  """A straight wall from start [2] along a [2], normal [2] into the room.

  taken holds (from, to, kind) stretches, in metres from start.
  """

  start: np.ndarray
  along: np.ndarray
  normal: np.ndarray
  length: float
  taken: list[tuple[float, float, str]] = dataclasses.field(
    default_factory=list
  )

  def frame(self, s: float, out: float = 0.0) -> Frame:
    """A frame at s metres along the wall, its y axis into the room."""
    x, y = self.start + self.along * s + self.normal * out
    return Frame(x, y, float(np.arctan2(-self.normal[0], self.normal[1])))

  def find(
    self, rng: np.random.Generator, width: float, avoid: tuple[str, ...]
  ) -> float | None:
    """A random centre for something width metres wide, or None."""
    for _ in range(8):
      if self.length < width + 0.1:
        return None
      s = rng.uniform(width / 2 + 0.05, self.length - width / 2 - 0.05)
      low, high = s - width / 2 - 0.05, s + width / 2 + 0.05
      if all(high < a or low > b for a, b, kind in self.taken if kind in avoid):
        return float(s)
    return None


def _plan(scene: Scene, rng: np.random.Generator) -> np.ndarray:
  """Corners [K 2] of the floor plan, counter-clockwise, and its obstacles."""
  w, d = scene.width, scene.depth
  for x, y, hx, hy in (
    (-1, d / 2, 1, d), (w + 1, d / 2, 1, d),
    (w / 2, -1, w, 1), (w / 2, d + 1, w, 1),
  ):  # fmt: skip
    add_obstacle(scene, Frame(x, y, 0.0), (hx, hy), tall=True)
  kind = rng.random()
  if kind < 0.45 or min(w, d) < 4.2:
    return np.array([[0, 0], [w, 0], [w, d], [0, d]], float)
  if kind < 0.75:  # an L: one corner is walled off
    bx, by = w * rng.uniform(0.25, 0.42), d * rng.uniform(0.25, 0.42)
    low, high = np.array([w - bx, d - by]), np.array([w, d])
    plan = [[0, 0], [w, 0], [w, d - by], [w - bx, d - by], [w - bx, d], [0, d]]
    corners = np.array(plan, float)
  else:  # a partition, or a broad pillar at the wall
    thick = rng.choice([0.16, 0.5])
    reach = d * rng.uniform(0.25, 0.42) if thick < 0.3 else 0.5
    x = w * rng.uniform(0.35, 0.65)
    low = np.array([x - thick / 2, d - reach])
    high = np.array([x + thick / 2, d])
    left, right, end = low[0], high[0], low[1]
    plan = [[0, 0], [w, 0], [w, d], [right, d], [right, end], [left, end],
            [left, d], [0, d]]  # fmt: skip
    corners = np.array(plan, float)
  mid, half = (low + high) / 2, (high - low) / 2
  add_obstacle(scene, Frame(mid[0], mid[1], 0.0), tuple(half), tall=True)
  center = np.array([*mid, scene.height / 2])
  scene.blocks.append(Block(center, np.array([*half, scene.height / 2]), 0.0))
  if rng.random() < 0.5:  # mirrored, so that every corner can be the odd one
    corners = (corners * [-1, 1] + [w, 0])[::-1]
    x, *rest = scene.obstacles[-1]
    scene.obstacles[-1] = (w - x, *rest)
    block = scene.blocks[-1]
    scene.blocks[-1] = dataclasses.replace(
      block, center=block.center * [-1, 1, 1] + [w, 0, 0]
    )
  return corners


def add_shell(
  scene: Scene, palette: Palette, rng: np.random.Generator
) -> list[Wall]:
  """Adds floor, ceiling and walls; returns the walls."""
  seed = int(rng.integers(1 << 31))
  kind = rng.choice(
    ["planks", "tiles", "checker", "carpet"], p=[0.45, 0.2, 0.12, 0.23]
  )
  scale = {
    "planks": rng.uniform(0.16, 0.3),
    "tiles": rng.uniform(0.4, 0.8),
    "checker": rng.uniform(0.4, 0.8),
    "carpet": 0.8,
  }[str(kind)]
  floor = Paint(str(kind), palette.floor, float(scale), seed)
  w, d, height = scene.width, scene.depth, scene.height
  x, y = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
  if rng.random() < 0.5:
    scene.faces.append(Face(np.zeros(3), x, y, w, d, floor))
  else:
    scene.faces.append(Face(w * x, y, -x, d, w, floor))
  ceiling = Paint("plain", (palette.ceiling,), 2.0, seed + 1)
  scene.faces.append(Face(d * y + height * UP, x, -y, w, d, ceiling))

  style = rng.random()
  first, second = palette.walls
  if style < 0.16:
    main = Paint("stripes", (first, _between(first, second)), 0.35, seed)
  elif style < 0.36:
    main = Paint("wainscot", (first, palette.trim), 0.95, seed)
  else:
    main = Paint("plain", (first,), 1.5, seed)
  corners = _plan(scene, rng)
  walls = []
  for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
    length = float(np.hypot(*(end - start)))
    along = (end - start) / length
    walls.append(Wall(start, along, np.array([-along[1], along[0]]), length))
  accent = rng.integers(len(walls)) if rng.random() < 0.6 else -1
  for i, wall in enumerate(walls):
    paint = Paint("plain", (second,), 1.5, seed) if i == accent else main
    end = wall.start + wall.along * wall.length
    u = np.array([*-wall.along, 0.0])
    scene.faces.append(
      Face(np.array([*end, 0.0]), u, UP, wall.length, height, paint)
    )
    skirting = Paint("plain", (palette.trim,))
    _hang(scene, wall, wall.length / 2, (wall.length, 0.1), 0.0, skirting)
  return walls


def _between(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, ...]:
  return tuple(0.6 * x + 0.4 * y for x, y in zip(a, b, strict=True))


def _hang(
  scene: Scene, wall: Wall, s: float, size: tuple[float, float], z: float,
  paint: Paint, out: float = 0.012, round_: bool = False,
) -> None:  # fmt: skip
  """Hangs a flat thing on a wall: centre s, lower edge z."""
  corner = wall.frame(s + size[0] / 2, out)
  u = np.array([*-wall.along, 0.0])
  origin = np.array([corner.x, corner.y, z])
  scene.faces.append(Face(origin, u, UP, *size, paint, round_))


def add_window(
  scene: Scene, wall: Wall, palette: Palette, rng: np.random.Generator
) -> bool:
  """A bright window with a sill, perhaps curtains; False if no place."""
  w = rng.uniform(0.9, 2.2)
  s = wall.find(rng, w + 0.5, ("window", "door"))
  if s is None:
    return False
  z = rng.uniform(0.75, 1.0) if rng.random() < 0.75 else 0.15
  top = min(scene.height - 0.25, rng.uniform(2.05, 2.4))
  size = (w, top - z)
  sky = hsv(rng.uniform(0.54, 0.62), rng.uniform(0.15, 0.5), 1.0)
  low = hsv(rng.uniform(0.05, 0.15), rng.uniform(0.02, 0.2), 1.0)
  ground = hsv(rng.uniform(0.2, 0.36), 0.4, rng.uniform(0.5, 0.75))
  colors = (palette.trim, sky, low, ground)
  paint = Paint("window", colors, 0.8, int(rng.integers(1 << 31)), emit=0.85)
  _hang(scene, wall, s, size, z, paint)
  trim = Paint("plain", (palette.trim,))
  frame = wall.frame(s)
  add_box(scene, frame, (0, 0.07, z - 0.03), (w + 0.2, 0.14, 0.06), trim,
          back=False)  # fmt: skip
  for side in (-1, 1):
    center = (side * (w / 2 + 0.035), 0.03, z + size[1] / 2)
    add_box(scene, frame, center, (0.07, 0.06, size[1] + 0.1), trim,
            shadow=False, back=False)  # fmt: skip
  if rng.random() < 0.45:
    color = palette.accents[rng.integers(len(palette.accents))]
    cloth = Paint("folds", (color,), 0.2)
    for side in (-1, 1):
      center = (side * (w / 2 + 0.1), 0.09, (top + 0.1 + 0.05) / 2)
      add_box(scene, frame, center, (0.32, 0.08, top + 0.05), cloth,
              back=False)  # fmt: skip
  wall.taken.append((s - w / 2 - 0.25, s + w / 2 + 0.25, "window"))
  points = np.stack([
    frame.point(x * w, 0.2, z + y * size[1])
    for x in (-0.25, 0.25) for y in (0.25, 0.75)
  ])  # fmt: skip
  day = np.array(rng.choice([[0.9, 0.95, 1.0], [1.0, 0.95, 0.85]]))
  normal = np.array([*wall.normal, 0.0])
  scene.lights.append(Light(points, day * size[0] * size[1] * 1.1, normal))
  return True


def add_door(
  scene: Scene, wall: Wall, palette: Palette, rng: np.random.Generator
) -> None:
  """A panelled door in its frame."""
  w, h = rng.uniform(0.82, 1.0), rng.uniform(1.98, 2.1)
  s = wall.find(rng, w + 0.3, ("window", "door"))
  if s is None:
    return
  color = [palette.trim, palette.wood[0], palette.accents[1]][rng.integers(3)]
  paint = Paint("panels", (color, (0.75, 0.65, 0.4)), w / 2)
  if rng.random() < 0.5:
    paint = dataclasses.replace(paint, scale=w)
  _hang(scene, wall, s, (w, h), 0.0, paint, out=0.02)
  trim = Paint("plain", (palette.trim,))
  frame = wall.frame(s)
  for center, size in (
    ((-w / 2 - 0.04, 0.03, h / 2), (0.08, 0.06, h)),
    ((w / 2 + 0.04, 0.03, h / 2), (0.08, 0.06, h)),
    ((0, 0.03, h + 0.04), (w + 0.16, 0.06, 0.08)),
  ):
    add_box(scene, frame, center, size, trim, shadow=False, back=False)
  wall.taken.append((s - w / 2 - 0.15, s + w / 2 + 0.15, "door"))


def add_picture(
  scene: Scene, wall: Wall, palette: Palette, rng: np.random.Generator
) -> None:
  """A framed picture where the wall is free."""
  w, h = rng.uniform(0.5, 1.3), rng.uniform(0.45, 0.9)
  s = wall.find(rng, w + 0.15, ("window", "door", "picture", "tall"))
  if s is None:
    return
  z = rng.uniform(1.25, 1.45)
  h = min(h, scene.height - z - 0.2)
  order = rng.permutation(len(palette.accents))[:3]
  frame = palette.wood[1] if rng.random() < 0.5 else palette.trim
  back = palette.trim if rng.random() < 0.5 else palette.accents[order[2]]
  colors = (frame, back, *(palette.accents[i] for i in order[:2]))
  paint = Paint("picture", colors, 1.0, int(rng.integers(1 << 31)))
  _hang(scene, wall, s, (w, h), z, paint, out=0.025)
  wall.taken.append((s - w / 2, s + w / 2, "picture"))
