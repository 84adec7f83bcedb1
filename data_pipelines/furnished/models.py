"""OBJ models of furniture as triangles with colours and small textures."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
from einops import rearrange

from data_pipelines.furnished.archives import AGAIN, TEXELS
from data_pipelines.furnished.assets import Piece
from data_pipelines.furnished.obj_files import ObjPart, read_obj
from scenetok_jax.io import atomic_path
from scenetok_jax.reading.npz import read_npz
from scenetok_jax.types import explained

_VERSION = 7  # of the cached files
_GLASS = 0.6  # materials that let more light through are left out
_LONGEST = 0.45  # metres; longer edges are halved, for light between corners
_MOST_FACES = 4000  # finer models are made coarser


@dataclasses.dataclass(frozen=True)
class Model:
  """Triangles of a piece standing at the origin, metres.

  points: float32 [V 3], x to its left seen from the front, y from its back
  (0) to its front, z up from its foot, x centred. normals: float32 [V 3].
  uv: float32 [V 2]. colors: float32 [V 3], sRGB. layers: int16 [V], which
  texture, -1 for none. faces: int32 [F 3]. textures: uint8 [K t t 4].
  """

  points: np.ndarray
  normals: np.ndarray
  uv: np.ndarray
  colors: np.ndarray
  layers: np.ndarray
  faces: np.ndarray
  textures: np.ndarray


def load(piece: Piece, cache: Path) -> Model:
  """The model of a piece, converted once.

  Raises:
    InputError: its file is damaged.
  """
  name = piece.key.replace("/", "__")
  file = cache / f"models-{_VERSION}" / f"{name}-{piece.bytes}.npz"
  # None yet, or a damaged one: made again.
  with contextlib.suppress(ValueError, TypeError, OSError):
    return Model(**read_npz(file))
  problem = f"{piece.library}: {piece.model}: unreadable"
  with explained(problem, AGAIN, Exception):
    model = _convert(piece)
  with atomic_path(file) as temporary:
    np.savez(temporary, **dataclasses.asdict(model))
  return model


def _convert(piece: Piece) -> Model:
  """Upright, in metres, coarse enough, without glass."""
  file = read_obj(piece)
  sizes = [len(part.points) for part in file.parts]
  points = np.concatenate([part.points for part in file.parts])
  starts = np.cumsum(sizes) - sizes
  faces = np.concatenate([
    part.faces + start for part, start in zip(file.parts, starts, strict=True)
  ])  # fmt: skip
  material = np.repeat(
    np.arange(len(file.parts)), [len(part.faces) for part in file.parts]
  )
  placed = _place(piece, points, faces)
  keep = np.array([p.opacity >= _GLASS for p in file.parts])[material]
  if not keep.any():
    keep[:] = True
  faces, material = faces[keep], material[keep]
  coarse = len(faces) > _MOST_FACES
  if coarse:
    placed = _coarsen(placed, faces)
  sides = placed[faces]
  flat = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
  solid = np.linalg.norm(flat, axis=1) > (1e-7 if coarse else 1e-10)
  faces, material, flat = faces[solid], material[solid], flat[solid]
  if not len(faces):
    raise ValueError("no triangle in it")
  model = _indexed(
    placed, faces, material, flat, file.parts, file.has_normals and not coarse
  )
  for _ in range(6):
    model = _subdivide(model)
  return model


def _place(piece: Piece, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
  """A file's points [V 3] in the coordinates of Model."""
  if piece.rotation is not None:
    points = points @ np.array(piece.rotation).reshape(3, 3).T
  used = points[faces.ravel()]
  low, high = used.min(0), used.max(0)
  across, deep, tall = piece.size
  x, y, z = rearrange(
    (points - low) / np.maximum(high - low, 1e-9), "p k -> k p"
  )
  # The file's y is up and its front is at large z.
  return np.stack([(0.5 - x) * across, z * deep, y * tall], 1)


# trimesh's own simplification knows neither seams of textures nor colours,
# and needs another package.
def _coarsen(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
  """Moves points to the middle of their cell until few faces have an area."""
  for cell in (0.006, 0.009, 0.013, 0.018, 0.025, 0.035):
    keys = np.floor(points / cell).astype(np.int64)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    count = np.bincount(group)[:, None]
    middle = np.stack([np.bincount(group, points[:, k]) for k in range(3)], 1)
    a, b, c = (group[faces[:, k]] for k in range(3))
    if np.sum((a != b) & (b != c) & (a != c)) <= _MOST_FACES:
      break
  return (middle / count)[group]


def _indexed(
  placed: np.ndarray,
  triangles: np.ndarray,
  material: np.ndarray,
  flat: np.ndarray,
  parts: list[ObjPart],
  smooth: bool,
) -> Model:
  """Shares vertices between triangles of one smooth, equal surface.

  Args:
    placed: [V 3], by vertex of the file.
    triangles: [F 3], into them.
    material: [F], into parts.
    flat: [F 3], normals as long as twice the triangles' areas.
    parts: see ObjFile.
    smooth: vertices of the file are shared as they are; else by place, uv,
      material and the direction of their triangles.
  """
  corners = rearrange(triangles, "f c -> (f c)")
  owner = np.repeat(np.arange(len(triangles)), 3)
  has_uv = np.concatenate([
    np.full(len(part.points), part.uv is not None) for part in parts
  ])  # fmt: skip
  uv = np.concatenate([
    np.zeros((len(part.points), 2)) if part.uv is None else part.uv
    for part in parts
  ])  # fmt: skip
  if smooth:
    rows = corners[:, None]
  else:
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    codes = np.round(unit * 4).astype(np.int64) @ [1, 16, 256]
    ids = [np.unique(a, axis=0, return_inverse=True)[1] for a in (placed, uv)]
    rows = np.stack(
      [*(i[corners] for i in ids), codes[owner], material[owner]], 1
    )
  _, first, inverse = np.unique(
    rows, axis=0, return_index=True, return_inverse=True
  )
  faces = rearrange(inverse, "(f c) -> f c", c=3)
  normals = np.zeros((len(first), 3))
  for c in range(3):
    np.add.at(normals, faces[:, c], flat)
  length = np.linalg.norm(normals, axis=1, keepdims=True)
  vertex, which = corners[first], material[owner][first]
  images = [part.image for part in parts if part.image is not None]
  layer = np.cumsum([part.image is not None for part in parts]) - 1
  drawn = np.array([part.image is not None for part in parts])[which]
  layers = np.where(drawn & has_uv[vertex], layer[which], -1)
  colors = np.clip(np.array([part.color for part in parts])[which], 0.03, 0.92)
  return Model(
    points=placed[vertex].astype(np.float32),
    normals=(normals / np.maximum(length, 1e-12)).astype(np.float32),
    uv=uv[vertex].astype(np.float32),
    colors=np.where(layers[:, None] >= 0, 1.0, colors).astype(np.float32),
    layers=layers.astype(np.int16),
    faces=faces.astype(np.int32),
    textures=np.array(images, np.uint8).reshape(-1, TEXELS, TEXELS, 4),
  )


def _subdivide(model: Model) -> Model:
  """Halves every triangle whose longest edge is too long, there."""
  corners = model.points[model.faces]
  edges = np.linalg.norm(np.roll(corners, -1, 1) - corners, axis=2)
  long = edges.max(1) > _LONGEST
  if not long.any():
    return model
  first = edges[long].argmax(1)
  order = (first[:, None] + np.arange(3)) % 3
  a, b, c = np.take_along_axis(model.faces[long], order, 1).T
  middle = len(model.points) + np.arange(len(a), dtype=np.int32)
  fields = {
    name: np.concatenate([array, (array[a] + array[b]) / 2]).astype(array.dtype)
    for name, array in dataclasses.asdict(model).items()
    if name in ("points", "normals", "uv", "colors")
  }
  halves = [np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)]
  return dataclasses.replace(
    model,
    **fields,
    layers=np.concatenate([model.layers, model.layers[a]]),
    faces=np.concatenate([model.faces[~long], *halves]).astype(np.int32),
  )
