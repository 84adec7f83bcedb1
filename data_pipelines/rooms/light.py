"""Light of procedural rooms, baked once per room onto coarse surface grids.

Rays are kept as planes of x, y and z, with the points P innermost, so that
NumPy works on long contiguous rows.
"""

import dataclasses

import numpy as np

from data_pipelines.rooms.scene import Block, Scene

CHUNK = 1024  # points at once: the temporaries of their rays fit the cache
REACH = 1.3  # metres within which surfaces darken each other
AMBIENT = 0.5
SOFTENING = 0.7  # square metres added to squared distances from a light


def hemisphere() -> np.ndarray:
  """Twelve cosine-weighted directions [12 3] around +z."""
  angles = np.arange(12) * 2.39996
  radius = np.sqrt((np.arange(12) + 0.5) / 12)
  return np.stack(
    [radius * np.cos(angles), radius * np.sin(angles), np.sqrt(1 - radius**2)],
    -1,
  ).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class _Path:
  """Segments [3 S P]: 1 / extent, its magnitude, start / extent."""

  inverse: np.ndarray
  magnitude: np.ndarray
  offset: np.ndarray

  @classmethod
  def of(cls, start: np.ndarray, way: np.ndarray) -> "_Path":
    inverse = 1 / (way + np.float32(1e-7))
    return cls(inverse, np.abs(inverse), start[:, None] * inverse)


def _slab(
  path: _Path, center: np.ndarray, half: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
  """Where segments enter and leave the slab between two box sides [S P]."""
  mid = path.inverse[axis] * np.float32(center[axis])
  mid -= path.offset[axis]
  width = path.magnitude[axis] * np.float32(half[axis])
  leave = mid + width
  mid -= width
  return mid, leave


def _turn(yaw: float, xyz: np.ndarray) -> np.ndarray:
  """World planes [3 ...] -> the frame of a box with this yaw."""
  c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
  x, y, z = xyz
  return np.stack([c * x + s * y, c * y - s * x, z])


def first_hit(
  start: np.ndarray, way: np.ndarray, blocks: list[Block]
) -> np.ndarray:
  """Segments from start [3 P] along way [3 S P] -> free fraction [S P].

  It is where the first block is entered: 1 where the way is free, 0 where it
  starts inside a block.
  """
  fraction = np.ones(way.shape[1:], np.float32)
  first, last = start.min(1), start.max(1)
  low = first + np.minimum(way.min((1, 2)), 0)
  high = last + np.maximum(way.max((1, 2)), 0)
  path = _Path.of(start, way)
  for block in blocks:
    reach = np.array(block.half)
    if block.yaw:
      reach[:2] = np.hypot(*block.half[:2])
    if (block.center + reach < low).any() or (
      block.center - reach > high
    ).any():
      continue
    center, local = block.center, path
    if block.yaw:
      center = _turn(block.yaw, center)
      local = _Path.of(_turn(block.yaw, start), _turn(block.yaw, way))
    near, far = _slab(local, center, block.half, 0)
    for axis in (1, 2):
      enter, leave = _slab(local, center, block.half, axis)
      np.maximum(near, enter, out=near)
      np.minimum(far, leave, out=far)
    np.maximum(near, 0, out=near)
    near += near >= far  # a miss is never nearer than one; faster than a mask
    np.minimum(fraction, near, out=fraction)
  return fraction


@dataclasses.dataclass(frozen=True)
class _Samples:
  """Point samples of all lights: points, normals [3 S], colors [S 3].

  one_sided [S] marks windows; the normals of lamps are zero.
  """

  points: np.ndarray
  normals: np.ndarray
  one_sided: np.ndarray
  colors: np.ndarray

  @classmethod
  def of(cls, scene: Scene) -> "_Samples":
    counts = [len(light.points) for light in scene.lights]
    none = np.zeros(3)
    normals = [none if x.normal is None else x.normal for x in scene.lights]
    flags = [light.normal is not None for light in scene.lights]
    colors = [light.color / len(light.points) for light in scene.lights]
    return cls(
      np.concatenate([x.points for x in scene.lights]).T.astype(np.float32),
      np.repeat(normals, counts, axis=0).T.astype(np.float32),
      np.repeat(flags, counts),
      np.repeat(colors, counts, axis=0).astype(np.float32),
    )


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Sum of products over the leading axis of three."""
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _direct(
  points: np.ndarray, normals: np.ndarray, lights: _Samples, scene: Scene
) -> np.ndarray:
  """Light [P 3] from lamps and windows on points, normals [3 P]."""
  way = lights.points[:, :, None] - points[:, None]
  cosine = _dot(way, normals[:, None])
  kept = np.flatnonzero((cosine > 0).any(1))
  if not kept.size:
    return np.zeros((points.shape[1], 3), np.float32)
  way, cosine = way[:, kept], np.maximum(cosine[kept], 0)
  squared = _dot(way, way)
  leaving = -_dot(way, lights.normals[:, kept, None])
  leaving = np.maximum(leaving, 0) / np.sqrt(squared)
  leaving[~lights.one_sided[kept]] = 1
  weight = cosine * leaving / (np.sqrt(squared) * (squared + SOFTENING))
  weight *= first_hit(points, way, scene.blocks) >= 1
  return np.einsum("sp,sk->pk", weight, lights.colors[kept])


def _openness(
  points: np.ndarray, basis: np.ndarray, scene: Scene
) -> np.ndarray:
  """Share [P] of the surroundings of points [3 P] that is not close by.

  basis [3 3 P]: axis (u, v, normal), then coordinate.
  """
  turned = hemisphere().T[:, None, :, None] * np.float32(REACH)
  way = _dot(turned, basis[:, :, None])
  walls = np.array([scene.width, scene.depth, scene.height], np.float32)
  fraction = first_hit(points, way, scene.blocks)
  for p, step, wall in zip(points, way, walls, strict=True):
    room = np.where(step > 0, wall - p, p) / (np.abs(step) + np.float32(1e-6))
    np.minimum(fraction, np.maximum(room, 0), out=fraction)
  return 1 - ((1 - fraction) ** 2).mean(0)


def irradiance(
  points: np.ndarray, basis: np.ndarray, scene: Scene
) -> np.ndarray:
  """Light [P 3] at points [P 3] with axes basis [P 3 3] (rows u, v, normal).

  Direct light with soft shadows, plus ambient light that fades where other
  surfaces are near; each has a mean of about one half over all points.
  """
  points = (points + 4e-3 * basis[:, 2]).astype(np.float32).T.copy()
  basis = basis.astype(np.float32).transpose(1, 2, 0).copy()
  count = points.shape[1]
  direct = np.empty((count, 3), np.float32)
  ambient = np.empty(count, np.float32)
  lights = _Samples.of(scene)
  for low in range(0, count, CHUNK):
    part = slice(low, low + CHUNK)
    near, axes = points[:, part], basis[:, :, part]
    direct[part] = _direct(near, axes[2], lights, scene)
    ambient[part] = _openness(near, axes, scene)
  direct *= (1 - AMBIENT) / max(float(direct.mean()), 1e-6)
  tint = direct.mean(0) / max(float(direct.mean()), 1e-6)
  upward = np.float32(1) + np.float32(0.12) * basis[2, 2]
  # Close to a lamp the light saturates, as a camera's exposure would hide.
  light = np.float32(1.5) * (1 - np.exp(direct / np.float32(-1.5))) + (
    AMBIENT / 0.8 * (ambient * upward)[:, None] * tint
  )
  return light.astype(np.float32)
