"""One furnished room: what stands where, and what lights it."""

import numpy as np

from data_pipelines.rooms import furniture as furniture
from data_pipelines.rooms.scene import (
  Face,
  Frame,
  Scene,
  add_ball,
  add_box,
  add_lamp,
  add_obstacle,
)
from data_pipelines.rooms.walls import (
  Wall,
  add_door,
  add_picture,
  add_shell,
  add_window,
)
from data_pipelines.textures.paint import Paint, Palette, random_palette


def _overlaps(
  scene: Scene, frame: Frame, radius: tuple[float, float], gap: float
) -> bool:
  """Whether an axis-aligned plan rectangle comes within gap of another."""
  for cx, cy, hx, hy, yaw in scene.obstacles:
    c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
    ex, ey = c * hx + s * hy, s * hx + c * hy
    if (
      abs(frame.x - cx) < radius[0] + ex + gap
      and abs(frame.y - cy) < radius[1] + ey + gap
    ):
      return True
  return False


def _furnish_walls(
  scene: Scene, walls: list[Wall], palette: Palette, count: int,
  rng: np.random.Generator,
) -> None:  # fmt: skip
  names = list(furniture.WALL_PIECES)
  weights = np.array([1.3, 1.6, 1.0, 0.6, 0.7, 0.8, 0.8, 0.6])
  for _ in range(count):
    pick = rng.choice(len(names), p=weights / weights.sum())
    name = names[pick]
    build, widths, depths = furniture.WALL_PIECES[name]
    size = (rng.uniform(*widths), rng.uniform(*depths))
    weight = np.array([wall.length for wall in walls])
    wall = walls[rng.choice(len(walls), p=weight / weight.sum())]
    tall = name in ("cabinet", "bookshelf", "plant", "floor_lamp")
    avoid = ("door", "furniture", "picture") + (
      ("window",) if tall or name == "bed" else ()
    )
    s = wall.find(rng, size[0] + 0.1, avoid)
    if s is None:
      continue
    low, high = s - size[0] / 2, s + size[0] / 2
    sill = any(
      a < high and b > low for a, b, kind in wall.taken if kind == "window"
    )
    frame = wall.frame(s, 0.17 if sill else 0.03)
    x, y = frame.point(0, size[1] / 2, 0)[:2]
    middle = Frame(x, y, frame.yaw)
    extent = np.abs(wall.along) * size[0] + np.abs(wall.normal) * size[1]
    # Its own wall lies 3 cm behind, so the gap to others is kept under that.
    if _overlaps(scene, middle, tuple(extent / 2), 0.02):
      continue
    weights[pick] *= 0.05 if name in ("bed", "desk") else 0.35
    build(scene, frame, size, palette, rng)
    add_obstacle(scene, middle, (size[0] / 2, size[1] / 2), tall)
    wall.taken.append((s - size[0] / 2, s + size[0] / 2, "furniture"))
    if tall:
      wall.taken.append((s - size[0] / 2, s + size[0] / 2, "tall"))


def _furnish_middle(
  scene: Scene, palette: Palette, count: int, rng: np.random.Generator
) -> None:
  names = list(furniture.FREE_PIECES)
  for _ in range(count):
    name = names[rng.choice(len(names), p=[0.5, 0.25, 0.25])]
    build, widths, depths = furniture.FREE_PIECES[name]
    size = (rng.uniform(*widths), rng.uniform(*depths))
    x = rng.uniform(0.25, 0.75) * scene.width
    y = rng.uniform(0.25, 0.75) * scene.depth
    yaw = rng.integers(4) * np.pi / 2
    if rng.random() < 0.5:
      yaw += rng.uniform(-0.6, 0.6)
    middle = Frame(x, y, float(yaw))
    radius = float(np.hypot(*size)) / 2
    if _overlaps(scene, middle, (radius, radius), 0.35):
      continue
    back = middle.point(0, -size[1] / 2, 0)
    build(scene, Frame(back[0], back[1], yaw), size, palette, rng)
    add_obstacle(scene, middle, (size[0] / 2, size[1] / 2))


def _rug(scene: Scene, palette: Palette, rng: np.random.Generator) -> None:
  w, d = rng.uniform(1.4, 2.6), rng.uniform(1.2, 2.0)
  yaw = rng.uniform(0, 2 * np.pi) if rng.random() < 0.2 else 0.0
  x = scene.width * rng.uniform(0.35, 0.65)
  y = scene.depth * rng.uniform(0.35, 0.65)
  ex = np.array([np.cos(yaw), np.sin(yaw), 0.0])
  ey = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
  disc = bool(rng.random() < 0.35)
  d = w if disc else d
  order = rng.permutation(len(palette.accents))
  colors = (palette.accents[order[0]], palette.trim, palette.accents[order[1]])
  kind = "plain" if disc or rng.random() < 0.3 else "rug"
  paint = Paint(kind, colors, rng.uniform(0.12, 0.2), int(rng.integers(99)))
  origin = np.array([x, y, 0.012]) - ex * w / 2 - ey * d / 2
  scene.faces.append(Face(origin, ex, ey, w, d, paint, disc))


def _ceiling_lamps(scene: Scene, rng: np.random.Generator) -> None:
  """One or two hanging globes, always away from the walls."""
  count = 1 if scene.width * scene.depth < 26 else int(rng.integers(1, 3))
  warm = np.array([1.0, 0.9, 0.76]) if rng.random() < 0.6 else np.ones(3)
  for i in range(count):
    t = (i + 0.5) / count
    place = [t * scene.width, 0.45 * scene.depth]
    if scene.width < scene.depth:
      place = [0.45 * scene.width, t * scene.depth]
    radius = rng.uniform(0.13, 0.2)
    drop = rng.uniform(0.2, 0.45)
    # People walk below: the globe ends two metres above the floor.
    drop = max(0.05, min(drop, scene.height - 2 * radius - 2.0))
    center = np.array([*place, scene.height - drop - radius])
    glow = Paint("plain", ((1.0, 0.95, 0.85),), emit=1.8)
    add_ball(scene, center, radius, glow, shadow=False)
    cord = Paint("plain", ((0.3, 0.3, 0.3),))
    add_box(
      scene, Frame(place[0], place[1], 0.0), (0, 0, scene.height - drop / 2),
      (0.03, 0.03, drop), cord, shadow=False,
    )  # fmt: skip
    add_lamp(scene, center, warm * rng.uniform(0.8, 1.6) / count**0.5)


def random_room(rng: np.random.Generator) -> Scene:
  """One random furnished room."""
  palette = random_palette(rng)
  scene = Scene(
    width=rng.uniform(3.8, 7.2),
    depth=rng.uniform(3.6, 6.0),
    height=rng.uniform(2.4, 3.0),
  )
  walls = add_shell(scene, palette, rng)
  long = [wall for wall in walls if wall.length > 1.6]
  for _ in range(int(rng.integers(1, 4))):
    add_window(scene, long[rng.integers(len(long))], palette, rng)
  for _ in range(int(rng.integers(1, 3))):
    add_door(scene, long[rng.integers(len(long))], palette, rng)
  area = scene.width * scene.depth
  _furnish_walls(scene, walls, palette, int(4 + area / 5), rng)
  for _ in range(int(rng.integers(3, 8))):
    add_picture(scene, long[rng.integers(len(long))], palette, rng)
  _furnish_middle(
    scene, palette, int(rng.integers(0, 3 + int(area) // 14)), rng
  )
  if rng.random() < 0.65:
    _rug(scene, palette, rng)
  _ceiling_lamps(scene, rng)
  return scene
