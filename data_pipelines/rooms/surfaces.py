"""Lit textures of a room's surfaces, and their look-up by camera rays."""

import dataclasses

import numpy as np

from data_pipelines.rooms.light import irradiance
from data_pipelines.rooms.raycast import Hits
from data_pipelines.rooms.scene import Ball, Face, Scene
from data_pipelines.textures.patterns import albedo, resize

LIGHT_GRID = 0.16  # metres between light samples
EXPOSURE = 1.05
WEIGHT_BITS = 4  # of a bilinear weight along one axis
CHANNEL_BITS = 21  # of a colour channel in a packed 64-bit texel


@dataclasses.dataclass(frozen=True)
class Surfaces:
  """All textures of a room in one list of texels, with mip levels.

  texels: [K] int64, RGB bytes in fields of 21 bits. offset, columns, rows:
  [levels, S] per surface (faces first, then balls). texel: metres per texel
  at level 0 [S].
  """

  texels: np.ndarray
  offset: np.ndarray
  columns: np.ndarray
  rows: np.ndarray
  texel: np.ndarray


def _face_points(face: Face, columns: int, rows: int) -> np.ndarray:
  a = (np.arange(columns) + 0.5) / columns * face.width
  b = (np.arange(rows) + 0.5) / rows * face.height
  grid = a[None, :, None] * face.u + b[:, None, None] * face.v
  return (face.origin + grid).reshape(-1, 3)


def _ball_normals(columns: int, rows: int) -> np.ndarray:
  """Unit normals [rows*columns 3] of a longitude-latitude grid."""
  lon = ((np.arange(columns) + 0.5) / columns * 2 - 1) * np.pi
  lat = ((np.arange(rows) + 0.5) / rows - 0.5) * np.pi
  lon, lat = np.meshgrid(lon, lat)
  normals = np.stack(
    [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1
  )
  return normals.reshape(-1, 3)


def _basis(normal: np.ndarray) -> np.ndarray:
  """Rows u, v, normal [P 3 3] for unit normals [P 3]."""
  helper = np.where(np.abs(normal[:, 2:]) > 0.9, [1.0, 0, 0], [0, 0, 1.0])
  u = np.cross(helper, normal)
  u /= np.linalg.norm(u, axis=-1, keepdims=True)
  return np.stack([u, np.cross(normal, u), normal], 1)


def _tone(linear: np.ndarray) -> np.ndarray:
  """Linear light -> display bytes, with a soft shoulder."""
  curve = (1 - np.exp(-EXPOSURE * linear)) / 0.9
  return np.clip(curve, 0, 1) ** np.float32(1 / 2.2) * np.float32(255)


def _halve(image: np.ndarray) -> np.ndarray:
  """Mean of neighbouring texels; an axis of one texel is kept."""
  if image.shape[0] > 1:
    n = image.shape[0] // 2 * 2
    image = (image[0:n:2] + image[1:n:2]) * np.float32(0.5)
  if image.shape[1] > 1:
    n = image.shape[1] // 2 * 2
    image = (image[:, 0:n:2] + image[:, 1:n:2]) * np.float32(0.5)
  return image


def _pack(image: np.ndarray) -> np.ndarray:
  """Display RGB floats [h w 3] -> int64 [h*w]."""
  rgb = (image + np.float32(0.5)).astype(np.int64)
  packed = rgb[..., 0] + (rgb[..., 1] << CHANNEL_BITS)
  packed += rgb[..., 2] << (2 * CHANNEL_BITS)
  return packed.ravel()


def _grid(
  thing: Face | Ball, step: float, ball: tuple[int, int]
) -> tuple[int, int]:
  """Columns and rows of a texture with this step; balls have a fixed one."""
  if isinstance(thing, Ball):
    return ball
  columns = max(1, int(np.ceil(thing.width / step)))
  return columns, max(1, int(np.ceil(thing.height / step)))


def bake(scene: Scene, texel: float, levels: int = 6) -> Surfaces:
  """Paints and lights every surface; texel is the finest texture step, m."""
  things: list[Face | Ball] = [*scene.faces, *scene.balls]
  sizes = [_grid(thing, LIGHT_GRID, (12, 6)) for thing in things]
  points, basis = [], []
  for thing, (columns, rows) in zip(things, sizes, strict=True):
    if isinstance(thing, Ball):
      normal = _ball_normals(columns, rows)
      points.append(thing.center + thing.radius * normal)
      basis.append(_basis(normal))
    else:
      points.append(_face_points(thing, columns, rows))
      axes = np.stack([thing.u, thing.v, np.cross(thing.u, thing.v)])
      basis.append(np.broadcast_to(axes, (columns * rows, 3, 3)))
  light = irradiance(np.concatenate(points), np.concatenate(basis), scene)

  texels, total, first = [], 0, 0
  table = np.zeros((3, levels, len(things)), np.int32)
  steps = np.zeros(len(things), np.float32)
  for i, (thing, (lw, lh)) in enumerate(zip(things, sizes, strict=True)):
    columns, rows = _grid(thing, texel, (24, 12))
    lit = light[first : first + lw * lh].reshape(lh, lw, 3)
    first += lw * lh
    lit = resize(resize(lit, rows, 0), columns, 1)
    if isinstance(thing, Ball):
      width, height = 6.28 * thing.radius, 3.14 * thing.radius
    else:
      width, height = thing.width, thing.height
    steps[i] = max(width / columns, height / rows)
    color = albedo(thing.paint, width, height, columns, rows)
    image = _tone(color * (lit + np.float32(thing.paint.emit)))
    for level in range(levels):
      texels.append(_pack(image))
      table[:, level:, i] = np.array([[total], image.shape[1:2], [len(image)]])
      total += len(texels[-1])
      if image.size == 3:
        break
      image = _halve(image)
  return Surfaces(np.concatenate(texels), table[0], table[1], table[2], steps)


def shade(
  surfaces: Surfaces, hits: Hits, gap: np.ndarray, dither: np.ndarray,
  pixel: float, supersample: int,
) -> np.ndarray:  # fmt: skip
  """Colours uint8 [h w 3] of the hits [H W], averaged over each pixel.

  gap: [S] distance of each surface's plane, for the slant. dither: [H W]
  factor of the footprint, which spreads mip levels over the samples of a
  pixel. pixel: width of a pixel at unit depth. supersample: at most 4, since
  weighted sums share 21 bits with the next channel.
  """
  inverse, surface = hits.inverse, hits.surface
  scale = (pixel / surfaces.texel) ** 2 / gap
  footprint = dither * scale[surface]
  with np.errstate(divide="ignore"):  # infinite: the coarsest level
    footprint /= inverse * inverse * inverse
  levels, count = surfaces.offset.shape
  # Half the binary exponent of a float is the level of its square root.
  level = ((footprint.view(np.int32) >> 23) - 127) >> 1
  level = np.clip(level, 0, levels - 1)
  level *= count
  level += surface
  columns = surfaces.columns.reshape(-1)[level]
  rows = surfaces.rows.reshape(-1)[level]
  one = 1 << WEIGHT_BITS
  x0, x = _texel(hits.s, columns)
  y0, y = _texel(hits.t, rows)
  corner = surfaces.offset.reshape(-1)[level] + y0 * columns + x0
  right = x0 + 1 < columns
  above = np.where(y0 + 1 < rows, columns, 0)
  total = np.take(surfaces.texels, corner) * ((one - x) * (one - y))
  total += np.take(surfaces.texels, corner + right) * (x * (one - y))
  corner += above
  total += np.take(surfaces.texels, corner) * ((one - x) * y)
  total += np.take(surfaces.texels, corner + right) * (x * y)
  total = sum(
    total[i::supersample, j::supersample]
    for i in range(supersample)
    for j in range(supersample)
  )
  mask = (1 << CHANNEL_BITS) - 1
  total = np.stack(
    [total >> (k * CHANNEL_BITS) & mask for k in range(3)], axis=-1
  )
  parts = supersample**2 << (2 * WEIGHT_BITS)
  return ((total + parts // 2) // parts).astype(np.uint8)


def _texel(s: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Coordinate in [-1, 1] on count texels -> lower texel, integer weight."""
  x = s * np.float32(0.5 * (1 << WEIGHT_BITS))
  x += np.float32(0.5 * (1 << WEIGHT_BITS))
  x *= count
  x -= np.float32(0.5 * (1 << WEIGHT_BITS) - 0.5)
  i = x.astype(np.int32)
  last = (count - 1) << WEIGHT_BITS
  np.clip(i, 0, last, out=i)
  return i >> WEIGHT_BITS, i & ((1 << WEIGHT_BITS) - 1)
