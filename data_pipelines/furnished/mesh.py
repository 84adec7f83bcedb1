"""A furnished room as one triangle mesh with a small array of textures."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from einops import rearrange

from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.floor_plan import Panel, Placed, Room
from data_pipelines.furnished.models import TEXELS, Model

CELL = 0.16  # metres between light samples of walls and floors
SHELL, SKY, LAMP = 0, 1, 2  # numbers of parts; furniture starts at 3
FURNITURE = 3


@dataclasses.dataclass(frozen=True)
class Mesh:
  """Triangles of a room; V vertices, F faces, K textures.

  points, normals: float32 [V 3], metres, z up. uv: float32 [V 2]. colors:
  float32 [V 3], sRGB, multiplies the texture. layers: int32 [V] into
  textures. glow: float32 [V], what a surface shows by itself, 0 to 1.
  faces: int32 [F 3]. part: int32 [F], one number an object. textures: uint8
  [K t t 4], bottom row first; texture 0 is white.
  """

  points: np.ndarray
  normals: np.ndarray
  uv: np.ndarray
  colors: np.ndarray
  layers: np.ndarray
  glow: np.ndarray
  faces: np.ndarray
  part: np.ndarray
  textures: np.ndarray


@dataclasses.dataclass(frozen=True)
class Surface:
  """Image and colour of a floor, wall or panel.

  image: uint8 [t t 4] or None. size: metres that it covers before it
  repeats; None stretches it once.
  """

  color: tuple[float, ...] = (1.0, 1.0, 1.0)
  image: np.ndarray | None = None
  size: tuple[float, float] | None = (1.0, 1.0)
  glow: float = 0.0


@dataclasses.dataclass(frozen=True)
class Finish:
  """What a room is covered with.

  walls: four surfaces. panel: gives the surface of a picture, rug, sky or
  lamp.
  """

  floor: Surface
  ceiling: Surface
  walls: Sequence[Surface]
  skirting: Surface
  panel: Callable[[Panel], Surface]


class _Builder:
  """Collects parts."""

  def __init__(self):
    white = np.full((TEXELS, TEXELS, 4), 255, np.uint8)
    self.textures = [white]
    self.parts: list[dict[str, np.ndarray]] = []
    self._layer: dict[int, int] = {}
    self._models: dict[str, int] = {}
    self._vertices = 0

  def add(self, **arrays: np.ndarray) -> None:
    """Adds vertices and faces that count from 0."""
    arrays["faces"] = arrays["faces"] + self._vertices
    self._vertices += len(arrays["points"])
    self.parts.append(arrays)

  def layer(self, image: np.ndarray | None) -> int:
    """Number of a texture."""
    if image is None:
      return 0
    if id(image) not in self._layer:
      self._layer[id(image)] = len(self.textures)
      self.textures.append(image)
    return self._layer[id(image)]

  def model_layer(self, key: str, images: np.ndarray) -> int:
    """Number of the first texture of a model."""
    if key not in self._models:
      self._models[key] = len(self.textures)
      self.textures.extend(images)
    return self._models[key]

  def quad(
    self, origin, u, v, surface: Surface, part: int, cell: float = CELL
  ) -> None:
    """A rectangle from origin along u and v [3], in cells; u x v is out."""
    origin, u, v = (np.asarray(a, np.float64) for a in (origin, u, v))
    wide, tall = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    n, m = (max(1, round(length / cell)) for length in (wide, tall))
    a, b = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1))
    a, b = (rearrange(grid, "m n -> (m n) 1") for grid in (a, b))
    points = origin + a * u + b * v
    corner = rearrange(
      np.arange(m)[:, None] * (n + 1) + np.arange(n), "m n -> (m n)"
    )
    faces = np.concatenate([
      np.stack([corner, corner + 1, corner + n + 2], 1),
      np.stack([corner, corner + n + 2, corner + n + 1], 1),
    ])  # fmt: skip
    size = surface.size or (wide, tall)
    uv = np.concatenate([a * wide / size[0], b * tall / size[1]], 1)
    normal = np.cross(u, v) / (wide * tall)
    count = len(points)
    self.add(
      points=points,
      normals=np.broadcast_to(normal, (count, 3)),
      uv=uv,
      colors=np.broadcast_to(surface.color, (count, 3)),
      layers=np.full(count, self.layer(surface.image)),
      glow=np.full(count, surface.glow),
      faces=faces,
      part=np.full(len(faces), part),
    )

  def model(self, placed: Placed, model: Model, part: int) -> None:
    """A piece of furniture where it stands."""
    scale = np.array(placed.scale)
    c, s = np.cos(placed.turn), np.sin(placed.turn)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    points = (model.points * scale) @ turn.T
    normals = (model.normals / scale) @ turn.T
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    first = self.model_layer(placed.piece.key, model.textures)
    self.add(
      points=points + np.array([placed.x, placed.y, placed.z]),
      normals=normals / np.maximum(length, 1e-9),
      uv=model.uv,
      colors=model.colors,
      layers=np.where(model.layers < 0, 0, model.layers + first),
      glow=np.zeros(len(points)),
      faces=model.faces,
      part=np.full(len(model.faces), part),
    )

  def mesh(self) -> Mesh:
    """All parts as one."""
    kinds = {"layers": np.int32, "faces": np.int32, "part": np.int32}
    joined = {
      name: np.concatenate([part[name] for part in self.parts]).astype(
        kinds.get(name, np.float32)
      )
      for name in self.parts[0]
    }
    return Mesh(**joined, textures=np.stack(self.textures))


def build(room: Room, finish: Finish, load: Callable[[Piece], Model]) -> Mesh:
  """Room, finish and models -> mesh; vertices of the shell come first."""
  builder = _Builder()
  w, d, h = room.size
  builder.quad((0, 0, 0), (w, 0, 0), (0, d, 0), finish.floor, SHELL)
  builder.quad((0, d, h), (w, 0, 0), (0, -d, 0), finish.ceiling, SHELL)
  for wall in range(4):
    length = room.length(wall)
    end, start = room.spot(wall, length), room.spot(wall, 0.0)
    along = (start[0] - end[0], start[1] - end[1], 0)
    builder.quad((*end, 0), along, (0, 0, h), finish.walls[wall], SHELL)
    end, start = room.spot(wall, length, 0.012), room.spot(wall, 0.0, 0.012)
    along = (start[0] - end[0], start[1] - end[1], 0)
    builder.quad((*end, 0), along, (0, 0, 0.09), finish.skirting, SHELL)
  part = FURNITURE
  for panel in room.panels:
    number = {"sky": SKY, "lamp": LAMP}.get(panel.kind, part)
    builder.quad(
      panel.origin, panel.u, panel.v, finish.panel(panel), number, 0.2
    )
    part += number == part
  for placed in room.placed:
    builder.model(placed, load(placed.piece), part)
    part += 1
  return builder.mesh()
