"""Building blocks of a procedural room: faces, balls, boxes, lights."""

import dataclasses

import numpy as np

from data_pipelines.textures.paint import Paint

UP = np.array([0.0, 0.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Face:
  """A rectangle, or the ellipse inscribed in it, seen from one side.

  origin [3] corner in metres; u, v [3] unit edges (right and up as seen from
  the front; the normal is u x v); width, height in metres.
  """

  origin: np.ndarray
  u: np.ndarray
  v: np.ndarray
  width: float
  height: float
  paint: Paint
  round: bool = False


@dataclasses.dataclass(frozen=True)
class Ball:
  """A sphere: center [3] and radius in metres."""

  center: np.ndarray
  radius: float
  paint: Paint


@dataclasses.dataclass(frozen=True)
class Block:
  """A box that casts shadows: center [3], half sizes [3], yaw in radians."""

  center: np.ndarray
  half: np.ndarray
  yaw: float


@dataclasses.dataclass(frozen=True)
class Light:
  """Point samples of a lamp or a window.

  points [S 3] metres; color [3] linear intensity; normal [3] for a one-sided
  area light, None for a lamp that shines in all directions.
  """

  points: np.ndarray
  color: np.ndarray
  normal: np.ndarray | None = None


@dataclasses.dataclass
class Scene:
  """A room under construction; world axes x, y on the floor, z up, metres.

  obstacles: plan rectangles (cx, cy, half x, half y, yaw) that a person
  cannot walk through; the tall ones also block the view.
  """

  width: float
  depth: float
  height: float
  faces: list[Face] = dataclasses.field(default_factory=list)
  balls: list[Ball] = dataclasses.field(default_factory=list)
  blocks: list[Block] = dataclasses.field(default_factory=list)
  lights: list[Light] = dataclasses.field(default_factory=list)
  obstacles: list[tuple[float, ...]] = dataclasses.field(default_factory=list)
  tall: list[bool] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frame:
  """A local frame on the floor: x along, y to the front, z up."""

  x: float
  y: float
  yaw: float

  def point(self, x: float, y: float, z: float) -> np.ndarray:
    """Local metres -> world [3]."""
    c, s = np.cos(self.yaw), np.sin(self.yaw)
    return np.array([self.x + c * x - s * y, self.y + s * x + c * y, z])


def add_obstacle(
  scene: Scene, frame: Frame, half: tuple[float, float], tall: bool = False
) -> None:
  """Keeps walkers out of a plan rectangle centred on the frame."""
  scene.obstacles.append((frame.x, frame.y, half[0], half[1], frame.yaw))
  scene.tall.append(tall)


def add_box(
  scene: Scene,
  frame: Frame,
  center: tuple[float, float, float],
  size: tuple[float, float, float],
  paint: Paint,
  *,
  front: Paint | None = None,
  top: Paint | None = None,
  shadow: bool = True,
  back: bool = True,
) -> None:
  """Adds the visible faces of a box given in local metres.

  front, top: paints of the +y and +z faces, paint by default. back: whether
  the -y face can be seen. The underside is drawn only above table height.
  """
  mid = frame.point(*center)
  half = np.asarray(size) / 2
  axes = {
    "x": np.array([np.cos(frame.yaw), np.sin(frame.yaw), 0.0]),
    "y": np.array([-np.sin(frame.yaw), np.cos(frame.yaw), 0.0]),
  }
  sides = [("x", 1, paint), ("x", -1, paint), ("y", 1, front or paint)]
  if back:
    sides.append(("y", -1, paint))
  for axis, sign, side_paint in sides:
    normal = sign * axes[axis]
    u = np.array([-normal[1], normal[0], 0.0])
    reach, width = (half[0], size[1]) if axis == "x" else (half[1], size[0])
    origin = mid + normal * reach - u * width / 2 - UP * half[2]
    scene.faces.append(Face(origin, u, UP, width, size[2], side_paint))
  ex, ey = axes["x"], axes["y"]
  corner = mid - ex * half[0] - ey * half[1] + UP * half[2]
  scene.faces.append(Face(corner, ex, ey, size[0], size[1], top or paint))
  if mid[2] - half[2] > 0.9:
    corner = mid - ex * half[0] + ey * half[1] - UP * half[2]
    scene.faces.append(Face(corner, ex, -ey, size[0], size[1], paint))
  if shadow:
    quarters = round(frame.yaw / (np.pi / 2))
    if abs(frame.yaw - quarters * np.pi / 2) > 1e-6:
      scene.blocks.append(Block(mid, half, frame.yaw))
    else:  # aligned with the axes: no rotation needed when tracing
      half = half[[1, 0, 2]] if quarters % 2 else half
      scene.blocks.append(Block(mid, half, 0.0))


def add_ball(
  scene: Scene,
  center: np.ndarray,
  radius: float,
  paint: Paint,
  shadow: bool = True,
) -> None:
  """Adds a sphere; its shadow is that of a cube inside it."""
  scene.balls.append(Ball(center, radius, paint))
  if shadow:
    scene.blocks.append(Block(center, np.full(3, 0.57 * radius), 0.0))


def add_lamp(scene: Scene, center: np.ndarray, color: np.ndarray) -> None:
  """Adds a light that shines in all directions from a small cloud."""
  spread = 0.12 * np.array(
    [[1, 1, -1], [-1, -1, -1], [1, -1, 1], [-1, 1, 1]], float
  )
  scene.lights.append(Light(center + spread, color))
