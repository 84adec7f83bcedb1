"""Furnished rooms: posed clips with depth, a function of seed and assets."""

import dataclasses
import functools

import numpy as np

from data_pipelines.furnished import finish as furnished_finish
from data_pipelines.furnished import layout, models
from data_pipelines.furnished import light as furnished_light
from data_pipelines.furnished import mesh as furnished_mesh
from data_pipelines.furnished import path as furnished_path
from data_pipelines.furnished.assets import Assets, Piece, read_pieces
from data_pipelines.furnished.catalog import Catalog, catalogue
from data_pipelines.furnished.finish import Images
from data_pipelines.furnished.floor_plan import Room
from data_pipelines.furnished.mesh import Mesh
from data_pipelines.furnished.path import Path
from data_pipelines.furnished.raster import Raster
from data_pipelines.furnished.trace import Tracer
from data_pipelines.sideways import shift_sideways
from scenetok_jax.types import Cameras, InputError

PATHS = 2  # camera paths through each room
_LATERAL_CLEARANCE = 0.15  # metres that a moved path keeps from obstacles
_ATTEMPTS = 6  # rooms tried before one without paths is given up


@dataclasses.dataclass(frozen=True)
class FurnishedClip:
  """One posed clip.

  images: uint8 [T H W 3]. depth: float32 [T H W], metres along the optical
  axis at pixel centres. cameras: [T], OpenCV camera-to-world in metres.
  theme: of its room. pieces: the furniture of its room.
  """

  images: np.ndarray
  depth: np.ndarray
  cameras: Cameras
  theme: str
  pieces: tuple[Piece, ...]


@dataclasses.dataclass(frozen=True)
class Baked:
  """A room ready for drawing; light: [V 3], exposure: see raster."""

  room: Room
  mesh: Mesh
  paths: tuple[Path, ...]
  light: np.ndarray
  exposure: float


class Studio:
  """Renders clips; keeps the catalogue, OpenGL and the last room.

  Args:
    assets: where the furniture is.
    size: side of the square frames, pixels.
  """

  def __init__(self, assets: Assets, size: int):
    self._assets = assets
    self._catalog: Catalog = catalogue(read_pieces(assets))
    self._images: Images = furnished_finish.read_images(assets)
    self._raster = Raster(size)
    # Rooms share furniture: the last models are likely wanted again.
    self._load = functools.lru_cache(128)(
      functools.partial(models.load, cache=assets.cache)
    )
    self._room = functools.lru_cache(1)(self._make_room)

  def clip(
    self,
    seed: int,
    room: int,
    path: int,
    frames: int,
    *,
    lateral_offset: float = 0.0,
  ) -> FurnishedClip:
    """Clip `path` of room `room`; the same whatever was rendered before.

    lateral_offset: metres by which the path is moved sideways, see
    data_pipelines.sideways.

    Raises:
      InputError: the room has no path with a view of its furniture.
    """
    baked = self._room(seed, room)
    way = baked.paths[path]
    clearance = functools.partial(furnished_path.clearance, baked.room)
    c2w = shift_sideways(
      way.poses(frames), lateral_offset, clearance, _LATERAL_CLEARANCE
    )
    focal = way.focal
    drawn = self._raster.draw(
      baked.mesh, baked.light, baked.exposure, c2w, focal
    )
    matrix = np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]])
    intrinsics = np.tile(matrix.astype(np.float32), (frames, 1, 1))
    return FurnishedClip(
      drawn.images,
      drawn.depth,
      Cameras(c2w, intrinsics),
      baked.room.theme,
      tuple(placed.piece for placed in baked.room.placed),
    )

  def _make_room(self, seed: int, number: int) -> Baked:
    for attempt in range(_ATTEMPTS):
      rng = _stream(seed, number, attempt)
      baked = self._try_room(rng)
      if baked is not None:
        return baked
    raise InputError(
      f"furnished room {number} of seed {seed}: no camera path sees enough"
      " furniture; left out"
    )

  def _try_room(self, rng: np.random.Generator) -> Baked | None:
    """A random room, or None if some path sees too little of it."""
    room = layout.furnish(rng, self._catalog)
    finish = furnished_finish.random_finish(rng, room.theme, self._images)
    mesh = furnished_mesh.build(room, finish, self._load)
    tracer = Tracer(mesh, self._assets.llvm)
    paths = []
    for stream in rng.spawn(PATHS):
      path = furnished_path.find_path(room, mesh, tracer, stream)
      if path is None:
        return None
      paths.append(path)
    windows = np.array([
      np.cross(panel.u, panel.v) / np.linalg.norm(np.cross(panel.u, panel.v))
      for panel in room.panels if panel.kind == "sky"
    ])  # fmt: skip
    weather = furnished_light.random_weather(rng, windows)
    light = furnished_light.bake(mesh, tracer, weather, rng)
    exposure = furnished_light.exposure(mesh, light)
    return Baked(room, mesh, tuple(paths), light, exposure)


def _stream(*numbers: int) -> np.random.Generator:
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(numbers)))
