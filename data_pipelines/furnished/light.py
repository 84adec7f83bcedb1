"""Baking the light of a room: direct light, then bounces by gathered rays."""

import dataclasses

import numpy as np
from einops import rearrange

from data_pipelines.furnished.mesh import FURNITURE, LAMP, SKY, Mesh
from data_pipelines.furnished.trace import Tracer

Rng = np.random.Generator
RAYS = 64  # gathered at each sample, over both sides
_BOUNCES = 4
_CELL = 0.12  # metres: vertices closer than this share a sample
_LIFT = 0.006  # metres that rays start above their surface


@dataclasses.dataclass(frozen=True)
class Weather:
  """Light from outside and from the lamp.

  sky, lamp, sun: linear RGB; sky and lamp as radiance, sun as irradiance on
  a surface that faces it. to_sun: unit vector, or None under clouds.
  """

  sky: np.ndarray
  lamp: np.ndarray
  sun: np.ndarray
  to_sun: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Samples:
  """Points that light is computed at. owner: [V] the sample of each vertex."""

  points: np.ndarray
  normals: np.ndarray
  owner: np.ndarray


def random_weather(rng: Rng, normals: np.ndarray) -> Weather:
  """A random day; the sun shines through one of the windows.

  normals: [W 3] of the windows, into the room.
  """
  warm = np.array([1.0, 0.82, 0.6])
  day = np.array([0.9, 0.97, 1.08]) * rng.uniform(3.0, 7.0)
  lamp = warm ** rng.uniform(0.2, 1.0) * rng.uniform(3.0, 14.0)
  if not len(normals):
    return Weather(day, 2.0 * lamp, 0 * day, None)
  sun, to_sun = 0 * day, None
  if rng.random() < 0.5:
    into = normals[rng.integers(len(normals))]
    aside = np.array([-into[1], into[0], 0.0]) * rng.uniform(-0.9, 0.9)
    to_sun = -into + aside + [0, 0, rng.uniform(0.4, 1.0)]
    to_sun = to_sun / np.linalg.norm(to_sun)
    sun = warm**0.35 * rng.uniform(8.0, 22.0)
  return Weather(day, lamp, sun, to_sun)


def bake(
  mesh: Mesh, tracer: Tracer, weather: Weather, rng: Rng, rays: int = RAYS
) -> np.ndarray:
  """Irradiance / pi at every vertex, linear RGB float32 [V 3]."""
  samples = choose_samples(mesh)
  albedo = face_albedo(mesh)
  sides = np.stack([
    _direct(mesh, tracer, weather, samples, side, rng) for side in (1.0, -1.0)
  ])  # fmt: skip
  hits, facing = _gather(tracer, samples, rng, rays)
  # Normals of models point anywhere: the brighter side is the outer one.
  light = sides
  for _ in range(_BOUNCES):
    outer = light.max(0)[samples.owner]
    leaving = albedo * outer[mesh.faces].mean(1)
    seen = np.where((hits >= 0)[..., None], leaving[hits], 0.0)
    bounced = np.stack([
      np.einsum("nr,nrc->nc", weight, seen)
      for weight in (np.maximum(facing, 0), np.maximum(-facing, 0))
    ])  # fmt: skip
    light = sides + bounced * (4.0 / rays)
  return _smooth(mesh, samples, light.max(0))


def choose_samples(mesh: Mesh) -> Samples:
  """One sample for the vertices of a cell that face alike in one part.

  Vertices of walls and floors have one each.
  """
  part = np.zeros(len(mesh.points), np.int64)
  part[mesh.faces] = mesh.part[:, None]
  middle = mesh.points[mesh.faces].mean(1)
  total = np.zeros_like(mesh.points)
  count = np.zeros(len(mesh.points))
  for k in range(3):
    np.add.at(total, mesh.faces[:, k], middle)
    np.add.at(count, mesh.faces[:, k], 1)
  # A vertex often touches something else: a step into its triangles.
  step = total / np.maximum(count, 1)[:, None] - mesh.points
  length = np.linalg.norm(step, axis=1, keepdims=True)
  inner = mesh.points + step * np.minimum(1.0, 0.035 / (length + 1e-9))
  cell = np.floor(mesh.points / _CELL).astype(np.int64)
  facing = np.round(mesh.normals).astype(np.int64)
  code = np.zeros(len(part), np.int64)
  columns = (part, *cell.T, *facing.T)
  for column, span in zip(columns, (1, 512, 512, 128, 3, 3, 3), strict=True):
    code = code * span + (column + 1 if span == 3 else column)
  own = part < FURNITURE
  code[own] = -1 - np.flatnonzero(own)
  _, first, owner = np.unique(code, return_index=True, return_inverse=True)
  return Samples(inner[first], mesh.normals[first], owner)


def face_albedo(mesh: Mesh) -> np.ndarray:
  """Linear RGB [F 3] that each triangle reflects; lights reflect nothing."""
  texels = mesh.textures[..., :3].astype(np.float32) / 255
  solid = mesh.textures[..., 3:] > 127
  total = (texels**2 * solid).sum((1, 2))
  mean = total / np.maximum(solid.sum((1, 2)), 1)
  first = mesh.faces[:, 0]
  found = mesh.colors[first] ** 2 * mean[mesh.layers[first]]
  lights = (mesh.part == SKY) | (mesh.part == LAMP)
  return np.where(lights[:, None], 0.0, np.minimum(found, 0.85))


def _direct(
  mesh: Mesh, tracer: Tracer, weather: Weather, samples: Samples, side: float,
  rng: Rng,
) -> np.ndarray:  # fmt: skip
  """Light / pi from windows, lamp and sun on one side of samples [N 3]."""
  start = samples.points + side * _LIFT * samples.normals
  light = np.zeros_like(start)
  for part, radiance, count in (
    (SKY, weather.sky, 12), (LAMP, weather.lamp, 6),
  ):  # fmt: skip
    faces = mesh.faces[mesh.part == part]
    if not len(faces):
      continue
    corners = mesh.points[faces].astype(np.float64)
    cross = np.cross(
      corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    )
    area = np.linalg.norm(cross, axis=1) / 2
    # Evenly over the area of all lights of the kind, shifted for each sample.
    shares = (np.arange(count) + rng.random((len(start), 1))) / count
    chosen = np.searchsorted(np.cumsum(area) / area.sum(), shares)
    chosen = np.minimum(chosen, len(faces) - 1)
    a, b = rng.random((2, *chosen.shape, 1))
    root = np.sqrt(a)
    p, q, r = (corners[chosen, k] for k in range(3))
    spots = (1 - root) * p + root * (1 - b) * q + root * b * r
    way = spots - start[:, None]
    far = np.linalg.norm(way, axis=-1)
    way /= np.maximum(far, 1e-6)[..., None]
    out = (cross / (2 * area[:, None]))[chosen]
    leave = -np.einsum("nkc,nkc->nk", way, out)
    arrive = side * np.einsum("nkc,nc->nk", way, samples.normals)
    weight = np.maximum(leave, 0) * np.maximum(arrive, 0)
    weight *= area.sum() / count / np.maximum(far, 0.15) ** 2 / np.pi
    light += _unblocked(tracer, start, way, far, weight)[:, None] * radiance
  if weather.to_sun is not None:
    light += _sun(mesh, tracer, weather, samples, start, side)
  return light


def _unblocked(tracer, start, way, far, weight) -> np.ndarray:
  """Sum over the rays [N K] of the weights of those that arrive."""
  point, ray = np.nonzero(weight > 0)
  distance, _ = tracer.hit(start[point], way[point, ray])
  arrived = distance > far[point, ray] - 0.012
  return np.bincount(
    point[arrived], weight[point, ray][arrived], minlength=len(start)
  )


def _sun(mesh, tracer, weather, samples, start, side) -> np.ndarray:
  arrive = np.maximum(side * samples.normals @ weather.to_sun, 0)
  point = np.flatnonzero(arrive > 0)
  way = np.broadcast_to(weather.to_sun, (len(point), 3))
  _, triangle = tracer.hit(start[point], way)
  bright = (triangle >= 0) & (mesh.part[triangle] == SKY)
  light = np.zeros((len(start), 3))
  light[point] = (arrive[point] * bright)[:, None] * weather.sun / np.pi
  return light


def _gather(
  tracer: Tracer, samples: Samples, rng: Rng, rays: int
) -> tuple[np.ndarray, np.ndarray]:
  """Triangles [N R] that rays over the whole sphere hit, and cosines [N R]."""
  count = len(samples.points)
  # A lattice over the sphere, turned for each sample.
  z = 1 - (2 * np.arange(rays) + 1) / rays
  z = (z + 2 * rng.random((count, 1)) / rays + 1) % 2 - 1
  angle = np.pi * (3 - np.sqrt(5)) * np.arange(rays)
  angle = angle + 2 * np.pi * rng.random((count, 1))
  flat = np.sqrt(1 - z**2)
  way = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], -1)
  facing = np.einsum("nrc,nc->nr", way, samples.normals)
  shift = _LIFT * np.sign(facing)[..., None] * samples.normals[:, None]
  start = samples.points[:, None] + shift
  _, triangle = tracer.hit(
    rearrange(start, "n r c -> (n r) c"), rearrange(way, "n r c -> (n r) c")
  )
  return rearrange(triangle, "(n r) -> n r", n=count), facing


def _smooth(mesh: Mesh, samples: Samples, light: np.ndarray) -> np.ndarray:
  """Light [N 3] -> float32 [V 3], averaged with neighbours that face alike."""
  vertex = light[samples.owner].astype(np.float64)
  a, b = (
    np.concatenate([mesh.faces[:, i] for i in order])
    for order in ((0, 1, 2), (1, 2, 0))
  )
  alike = np.einsum("ec,ec->e", mesh.normals[a], mesh.normals[b]) > 0.7
  a, b = a[alike], b[alike]
  n = len(vertex)
  weight = 1.0 + np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
  for _ in range(3):
    total = np.stack([
      np.bincount(a, vertex[b, c], minlength=n)
      + np.bincount(b, vertex[a, c], minlength=n)
      for c in range(3)
    ], 1)  # fmt: skip
    vertex = (vertex + total) / weight[:, None]
  return vertex.astype(np.float32)


def exposure(mesh: Mesh, light: np.ndarray) -> float:
  """What makes the room's shell neither dark nor washed out."""
  shell = np.unique(mesh.faces[mesh.part < 1])
  shown = light[shell].mean(1) * (mesh.colors[shell] ** 2).mean(1)
  return float(0.34 / max(np.percentile(shown, 55), 1e-4))
