"""Depth that a renderer draws, several times, as coloured points in space."""

import dataclasses
import os
from typing import Any

import numpy as np

from scenetok_jax.geometry.depth_images import FAR, NEAR, decode
from scenetok_jax.io import atomic_path
from scenetok_jax.reading.schema import Few, Many, Share
from scenetok_jax.types import Cameras, InputError, explained, option

_AGREE = 0.05  # ours: a spread of 5 % halves the confidence
_CLIPPED = 0.02  # ours: depths this near to the ends of what images hold


@dataclasses.dataclass(frozen=True)
class PointOptions:
  """Which points of a depth run are written."""

  samples: Few = option(
    4, "renderings of depth; how alike they are is a point's confidence"
  )
  points: Many = option(100_000, "at most so many, drawn evenly")
  confidence: Share = option(0.5, "least of a point")


@dataclasses.dataclass(frozen=True)
class Points:
  """P points, each seen by one pixel.

  places: float64 [P 3]. colours: uint8 [P 3]. confidence: float32 [P], in
  (0, 1]. frames: [P], of the pixel. pixels: float64 [P 2], its centre (x, y)
  in pixels, 0.5 for the first.
  """

  places: np.ndarray
  colours: np.ndarray
  confidence: np.ndarray
  frames: np.ndarray
  pixels: np.ndarray


def points(
  depths: np.ndarray,
  colours: np.ndarray,
  cameras: Cameras,
  options: PointOptions,
  *,
  scale: float = 1.0,
  seed: int = 0,
) -> Points:
  """Depth images uint8 [S T H W 3] and colours uint8 [T H W 3] -> points.

  A pixel's depth is the geometric mean of its samples; its confidence is
  1 / (1 + (s / 5 %)^2), s being the deviation of their logarithms. Depths at
  the ends of what depth images hold are not known. cameras: [T], in any unit;
  scale: depths are in that unit times this.
  """
  found = [agreed(depths[:, t]) for t in range(depths.shape[1])]
  depth, trust = (np.stack(parts) for parts in zip(*found, strict=True))
  known = (depth > NEAR * (1 + _CLIPPED)) & (depth < FAR * (1 - _CLIPPED))
  places = np.flatnonzero(known & (trust >= options.confidence))
  if len(places) > options.points:
    drawn = np.random.default_rng(seed).choice(
      len(places), options.points, replace=False
    )
    places = places[np.sort(drawn)]
  t, y, x = np.unravel_index(places, depth.shape)
  pixels = np.stack([x, y], axis=-1) + 0.5
  height, width = depth.shape[1:]
  plane = np.ones((len(places), 3))
  plane[:, :2] = pixels / (width, height)
  lenses = np.linalg.inv(np.asarray(cameras.intrinsics, np.float64))
  poses = np.asarray(cameras.extrinsics, np.float64)
  rays = np.einsum("pij,pj->pi", lenses[t], plane)
  seen = rays * (depth[t, y, x, None] / scale)
  world = np.einsum("pij,pj->pi", poses[t, :3, :3], seen) + poses[t, :3, 3]
  return Points(world, colours[t, y, x], trust[t, y, x], t, pixels)


def agreed(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Depth images uint8 [S H W 3] -> depth and confidence float32 [H W]."""
  logs = np.log(decode(images))
  spread = logs.std(axis=0)
  confidence = 1.0 / (1.0 + np.square(spread / _AGREE))
  return np.exp(logs.mean(axis=0)), confidence.astype(np.float32)


def writer() -> Any:
  """trimesh; InputError where it is not installed."""
  remedy = "pip install -e '.[export]'"
  with explained("points: need trimesh", remedy, ImportError):
    import trimesh
  return trimesh


def write_ply(path: str | os.PathLike[str], found: Points) -> None:
  """Binary, little endian: x y z, red green blue alpha, confidence.

  InputError without a point.
  """
  if not len(found.places):
    raise InputError(f"{path}: no point; lower --confidence")
  cloud = writer().PointCloud(found.places, colors=found.colours)
  cloud.vertex_attributes = {"confidence": found.confidence.astype("<f4")}
  with atomic_path(path) as temporary:
    temporary.write_bytes(cloud.export(file_type="ply"))
