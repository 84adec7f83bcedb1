"""OBJ models of furniture as triangles with colours and small textures."""

import dataclasses
import io
import os
import posixpath
import zipfile
from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image

from data_pipelines.furnished.assets import Piece
from scenetok_jax.types import InputError

TEXELS = 128  # a side of a texture; frames are as small
_VERSION = 6  # of the cached files
_GLASS = 0.6  # materials that let more light through are left out
_LONGEST = 0.45  # metres; longer edges are halved, for light between corners
_GREY = (0.8, 0.8, 0.8)
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


@dataclasses.dataclass(frozen=True)
class _Material:
  color: tuple[float, float, float] = _GREY
  opacity: float = 1.0
  image: str | None = None


def load(piece: Piece, cache: Path) -> Model:
  """The model of a piece, converted once.

  Raises:
    InputError: its file is damaged.
  """
  name = piece.key.replace("/", "__")
  file = cache / f"models-{_VERSION}" / f"{name}-{piece.bytes}.npz"
  if file.is_file():
    with np.load(file, allow_pickle=False) as arrays:
      return Model(**{k: arrays[k] for k in arrays.files})
  try:
    model = _convert(piece)
  except (KeyError, ValueError, IndexError, OSError) as error:
    raise InputError(
      f"{piece.library}: {piece.model}: unreadable ({error!r}); install the"
      " package again"
    ) from None
  file.parent.mkdir(parents=True, exist_ok=True)
  partial = file.with_name(f".{file.name}.{os.getpid()}.npz")
  np.savez(partial, **dataclasses.asdict(model))
  partial.replace(file)
  return model


def _convert(piece: Piece) -> Model:
  with zipfile.ZipFile(piece.library) as archive:
    text = archive.read(piece.model).decode("latin-1")
    folder = posixpath.dirname(piece.model)
    names = {name.lower(): name for name in archive.namelist()}
    materials: dict[str, _Material] = {}
    for line in text.splitlines():
      if line.startswith("mtllib "):
        path = posixpath.join(folder, line[7:].strip()).lower()
        if path in names:
          source = archive.read(names[path]).decode("latin-1")
          materials |= _read_materials(source, folder)
    parsed = _parse(text)
    used = [materials.get(name, _Material()) for name in parsed.materials]
    textures: list[np.ndarray] = []
    layer_of: dict[int, int] = {}
    for i, material in enumerate(used):
      path = (material.image or "").lower()
      if path in names:
        layer_of[i] = len(textures)
        textures.append(_texture(archive.read(names[path])))
  return _assemble(piece, parsed, used, textures, layer_of)


@dataclasses.dataclass(frozen=True)
class _Parsed:
  """points [P 3], uv [Q 2], normals [R 3]; corners [F 3 3] index them.

  Missing uv and normals are -1. material: [F] into materials.
  """

  points: np.ndarray
  uv: np.ndarray
  normals: np.ndarray
  corners: np.ndarray
  material: np.ndarray
  materials: list[str]


def _parse(text: str) -> _Parsed:
  """Reads v, vt, vn, f and usemtl; polygons become fans."""
  vectors: dict[str, list[str]] = {"v": [], "vt": [], "vn": []}
  rings: list[str] = []  # "7/2/1 8/3/1 ..." of each polygon
  seen: list[tuple[int, ...]] = []  # how many vectors there were by then
  material, names = [], {"": 0}
  current = 0
  for line in text.replace("\\\n", " ").splitlines():
    kind, _, rest = line.lstrip().partition(" ")
    if kind in vectors:
      vectors[kind].append(rest)
    elif kind == "usemtl":
      current = names.setdefault(rest.strip(), len(names))
    elif kind == "f":
      rings.append(_full(rest))
      seen.append(tuple(map(len, vectors.values())))
      material.append(current)
  if not rings:
    raise ValueError("no face in it")
  sizes = np.array([len(ring.split()) for ring in rings])
  numbers = np.array(" ".join(rings).replace("/", " ").split(), np.int64)
  corners = rearrange(numbers, "(n k) -> n k", k=3)
  owner = np.repeat(np.arange(len(rings)), sizes)
  # Negative numbers count back from the last vector before the polygon.
  corners = np.where(corners < 0, corners + np.array(seen)[owner], corners - 1)
  faces, owners = _fans(corners, sizes)
  return _Parsed(
    _numbers(vectors["v"], 3),
    _numbers(vectors["vt"], 2),
    _numbers(vectors["vn"], 3),
    faces,
    np.array(material)[owners],
    list(names),
  )


def _full(ring: str) -> str:
  """ "1//2 3//4", "1/2 3/4" or "1 2" with all three numbers, 0 for none."""
  first = ring.split(None, 1)[0].count("/")
  if first == 2:
    return ring.replace("//", "/0/")
  ending = "/0" if first == 1 else "/0/0"
  return " ".join(token + ending for token in ring.split())


def _fans(
  corners: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Corners [N 3] of polygons -> triangles [F 3 3], their polygons [F]."""
  starts = np.cumsum(sizes) - sizes
  counts = np.maximum(sizes - 2, 0)
  owners = np.repeat(np.arange(len(sizes)), counts)
  place = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
  base = starts[owners]
  picks = np.stack([base, base + place + 1, base + place + 2], 1)
  return corners[picks], owners


def _numbers(lines: list[str], columns: int) -> np.ndarray:
  rows = [[float(x) for x in line.split()[:columns]] for line in lines]
  return np.array(rows, np.float64).reshape(len(rows), columns)


def _read_materials(text: str, folder: str) -> dict[str, _Material]:
  found: dict[str, _Material] = {}
  name = ""
  for line in text.splitlines():
    words = line.split()
    if not words:
      continue
    if words[0] == "newmtl":
      name = line.split(None, 1)[1].strip() if len(words) > 1 else ""
      found[name] = _Material()
    elif name not in found or len(words) < 2:
      continue
    elif words[0] == "Kd" and len(words) >= 4:
      color = (float(words[1]), float(words[2]), float(words[3]))
      found[name] = dataclasses.replace(found[name], color=color)
    elif words[0] == "d":
      opacity = float(words[-1])
      found[name] = dataclasses.replace(found[name], opacity=opacity)
    elif words[0] == "map_Kd":
      image = posixpath.join(folder, line.split(None, 1)[1].strip())
      found[name] = dataclasses.replace(found[name], image=image)
  return found


def _texture(data: bytes) -> np.ndarray:
  """Image file -> uint8 [t t 4], bottom row first, as uv count."""
  with Image.open(io.BytesIO(data)) as picture:
    small = picture.convert("RGBA").resize(
      (TEXELS, TEXELS), Image.Resampling.BOX
    )
  return np.asarray(small)[::-1].copy()


def _assemble(
  piece: Piece, parsed: _Parsed, used: list[_Material],
  textures: list[np.ndarray], layer_of: dict[int, int],
) -> Model:  # fmt: skip
  points = parsed.points
  if piece.rotation is not None:
    points = points @ np.array(piece.rotation).reshape(3, 3).T
  corners = rearrange(parsed.corners, "f c k -> (f c) k")
  low, high = _bounds(points[corners[:, 0]])
  extent = np.maximum(high - low, 1e-9)
  across, deep, tall = piece.size
  x, y, z = rearrange((points - low) / extent, "p k -> k p")
  # The file's y is up and its front is at large z.
  placed = np.stack([(0.5 - x) * across, z * deep, y * tall], 1)

  keep = np.array([m.opacity >= _GLASS for m in used])[parsed.material]
  if not keep.any():
    keep[:] = True
  triangles = parsed.corners[keep]
  material = parsed.material[keep]
  coarse = len(triangles) > _MOST_FACES
  if coarse:
    placed = _coarsen(placed, triangles[..., 0])
  sides = placed[triangles[..., 0]]
  flat = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
  area = np.linalg.norm(flat, axis=1)
  solid = area > (1e-7 if coarse else 1e-10)
  triangles, material, flat = triangles[solid], material[solid], flat[solid]
  if not len(triangles):
    raise ValueError("no triangle in it")
  if coarse:  # points that met become one, whatever their normals were
    _, first = np.unique(placed, axis=0, return_inverse=True)
    owner = np.zeros(first.max() + 1, np.int64)
    owner[first] = np.arange(len(first))
    triangles = triangles.copy()
    triangles[..., 0] = owner[first][triangles[..., 0]]
    triangles[..., 2] = -1
  return _indexed(placed, parsed, triangles, material, flat, used,
                  textures, layer_of)  # fmt: skip


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


def _bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  return points.min(0), points.max(0)


def _indexed(
  placed, parsed, triangles, material, flat, used, textures, layer_of
) -> Model:
  """Shares vertices between triangles of one smooth, equal surface."""
  corners = rearrange(triangles, "f c k -> (f c) k").copy()
  owner = np.repeat(np.arange(len(triangles)), 3)
  plain = corners[:, 2] < 0  # no normal: faces of one direction share
  unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
  codes = np.round(unit * 4).astype(np.int64) @ [1, 16, 256]
  corners[plain, 2] = -2 - (codes[owner[plain]] - codes.min())
  rows = np.concatenate([corners, material[owner][:, None]], 1)
  distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
  faces = rearrange(inverse, "(f c) -> f c", c=3)
  normals = np.zeros((len(distinct), 3))
  for c in range(3):
    np.add.at(normals, faces[:, c], flat)
  length = np.linalg.norm(normals, axis=1, keepdims=True)
  has_uv = (distinct[:, 1] >= 0) & (distinct[:, 1] < len(parsed.uv))
  uv = np.zeros((len(distinct), 2))
  uv[has_uv] = parsed.uv[distinct[has_uv, 1]]
  layer = np.array([layer_of.get(i, -1) for i in range(len(used))])
  layers = np.where(has_uv, layer[distinct[:, 3]], -1)
  colors = np.array([m.color for m in used])[distinct[:, 3]]
  colors = np.where((layers >= 0)[:, None], 1.0, np.clip(colors, 0.03, 0.92))
  kept = (
    np.stack(textures) if textures
    else np.zeros((0, TEXELS, TEXELS, 4), np.uint8)
  )  # fmt: skip
  model = Model(
    points=placed[distinct[:, 0]].astype(np.float32),
    normals=(normals / np.maximum(length, 1e-12)).astype(np.float32),
    uv=uv.astype(np.float32),
    colors=colors.astype(np.float32),
    layers=layers.astype(np.int16),
    faces=faces.astype(np.int32),
    textures=kept,
  )
  for _ in range(6):
    model = _subdivide(model)
  return model


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
