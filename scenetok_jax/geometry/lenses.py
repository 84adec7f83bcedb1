"""Lenses that bend light: what they are, and the pinhole seen through them.

A lens maps points of the plane one unit ahead (x right, y down) to pixels.
Pixels count from the picture's edge: the middle of the first is 0.5, as in
COLMAP; OpenCV's own counting begins half a pixel later.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from scenetok_jax.types import InputError, explained

PINHOLE, OPENCV, FISHEYE = "pinhole", "opencv", "fisheye"
# ours: further out, a pinhole's picture is stretched more than four times.
_WIDEST = math.tan(math.radians(60))
_STEPS = 33  # points along each border and each ray that are tried
_ROWS = 256  # of a map that are made at once, so that memory stays small


@dataclasses.dataclass(frozen=True)
class Lens:
  """model: PINHOLE, OPENCV, FISHEYE, or COLMAP's name of another one.

  coefficients: OPENCV: k1 k2 p1 p2 k3 k4 k5 k6, as OpenCV orders them;
  FISHEYE: k1 k2 k3 k4; else all of COLMAP's parameters.
  size: (width, height) that COLMAP's parameters are for.
  """

  model: str = PINHOLE
  coefficients: tuple[float, ...] = ()
  size: tuple[float, float] = (0.0, 0.0)

  @property
  def bends(self) -> bool:
    """Whether its picture differs from a pinhole's."""
    if self.model == OPENCV:
      return any(self.coefficients)
    return self.model != PINHOLE


@dataclasses.dataclass(frozen=True)
class Straight:
  """The pinhole that sees the most of what a lens saw, and no empty pixel.

  matrix: float64 [3 3] in its pixels. size: (width, height). source: of the
  lens, (its matrix row by row, the size of its picture).
  """

  lens: Lens
  matrix: np.ndarray
  size: tuple[int, int]
  source: tuple[tuple[float, ...], tuple[int, int]]

  def apply(self, pixels: np.ndarray) -> np.ndarray:
    """uint8 [H W 3] as the lens saw it -> [h w 3] as the pinhole sees it."""
    import cv2

    across, down = _maps(
      self.lens, *self.source, tuple(self.matrix.ravel()), self.size
    )
    return cv2.remap(
      np.ascontiguousarray(pixels), across, down, cv2.INTER_CUBIC,
      borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def straighten(
  lens: Lens, matrix: np.ndarray, size: tuple[int, int], where: str
) -> Straight:
  """The pinhole of a lens's picture.

  matrix: [3 3] in pixels of a picture of size (width, height). Its focal
  lengths are kept, or raised until the shorter side has as many pixels as
  before. InputError where the lens sees nothing around its axis.
  """
  source = tuple(float(x) for x in matrix.ravel()), size
  try:
    left, top, right, bottom = _seen(lens, *source)
  except ValueError as error:
    raise InputError(f"{where}: {error}") from None
  focal = np.array([matrix[0, 0], matrix[1, 1]])
  sides = focal * [right - left, bottom - top]
  focal = focal * max(1.0, min(size) / np.min(sides))
  # Whole pixels, of which the last may not look beyond what is seen.
  sides = np.maximum(np.floor(focal * [right - left, bottom - top] + 1e-6), 1)
  middle = np.array([left + right, top + bottom]) / 2
  found = np.diag([*focal, 1.0])
  found[:2, 2] = sides / 2 - focal * middle
  width, height = (int(side) for side in sides)
  return Straight(lens, found, (width, height), source)


def project(
  lens: Lens, matrix: np.ndarray, size: Any, plane: np.ndarray
) -> np.ndarray:
  """Points of the plane ahead [N 2] -> pixels [N 2] of a picture of size."""
  if lens.model == PINHOLE:
    return plane @ matrix[:2, :2].T + matrix[:2, 2]
  if lens.model in (OPENCV, FISHEYE):
    bent = (_brown if lens.model == OPENCV else _equidistant)(
      plane, *lens.coefficients
    )
    return bent @ matrix[:2, :2].T + matrix[:2, 2]
  remedy = "pip install 'scenetok_jax[colmap]', or colmap image_undistorter"
  problem = f"a {lens.model} lens needs pycolmap"
  with explained(problem, remedy, ImportError):
    import pycolmap

  camera = pycolmap.Camera(
    model=lens.model, width=int(lens.size[0]), height=int(lens.size[1]),
    params=list(lens.coefficients),
  )  # fmt: skip
  rays = np.concatenate([plane, np.ones((len(plane), 1))], axis=1)
  return np.array(camera.img_from_cam(rays)) * np.divide(size, lens.size)


def _brown(
  plane: np.ndarray,
  k1: float,
  k2: float,
  p1: float,
  p2: float,
  k3: float,
  k4: float,
  k5: float,
  k6: float,
) -> np.ndarray:
  """OpenCV's model: radial (a quotient of polynomials) and tangential."""
  x, y = plane[:, 0], plane[:, 1]
  r = x * x + y * y
  radial = (1 + r * (k1 + r * (k2 + r * k3))) / (
    1 + r * (k4 + r * (k5 + r * k6))
  )
  return np.stack([
    x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x),
    y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y,
  ], axis=-1)  # fmt: skip


def _equidistant(
  plane: np.ndarray, k1: float, k2: float, k3: float, k4: float
) -> np.ndarray:
  """OpenCV's fisheye: the radius is a polynomial of the angle to the axis."""
  length = np.linalg.norm(plane, axis=-1, keepdims=True)
  angle = np.arctan(length)
  t = angle * angle
  radius = angle * (1 + t * (k1 + t * (k2 + t * (k3 + t * k4))))
  return plane * np.where(length > 1e-9, radius / np.maximum(length, 1e-9), 1.0)


@functools.lru_cache(maxsize=8)  # frames of a clip mostly share one lens
def _seen(
  lens: Lens, flat: tuple[float, ...], size: tuple[int, int]
) -> np.ndarray:
  """left, top, right, bottom on the plane: a rectangle that is seen whole."""
  matrix = np.array(flat).reshape(3, 3)

  def is_seen(points: np.ndarray) -> np.ndarray:
    """Whether rays from the axis to points [N 2] land in the picture."""
    shares = np.linspace(0, 1, _STEPS + 1)
    rays = points[:, None] * shares[:, None]
    with np.errstate(all="ignore"):
      pixels = project(lens, matrix, size, rays.reshape(-1, 2))
    pixels = pixels.reshape(rays.shape)
    away = np.linalg.norm(pixels - pixels[:, :1], axis=-1)
    inside = (pixels >= -1e-3) & (pixels <= np.array(size) + 1e-3)
    # Beyond where a polynomial turns back it means nothing.
    return inside.all(axis=(1, 2)) & (np.diff(away) > 0).all(axis=1)

  ways = np.array([[-1.0, 0], [0, -1], [1, 0], [0, 1]])
  ends = [_furthest(lambda t, w=way: is_seen(t * w[None])[0]) for way in ways]
  box = np.array([-ends[0], -ends[1], ends[2], ends[3]]) * _WIDEST
  if min(ends) < 1e-3:
    raise ValueError(
      f"the lens ({lens.model}: {_shown(lens)}) sees nothing around its axis;"
      " correct its coefficients and centre"
    )
  share = _furthest(lambda t: is_seen(_border(t * box / _WIDEST)).all())
  return box * share


def _furthest(is_good: Any) -> float:
  """The largest share of _WIDEST, 0 to 1, of which is_good(share * _WIDEST)."""
  low, high = 0.0, 1.0
  if is_good(_WIDEST):
    return 1.0
  for _ in range(24):
    middle = (low + high) / 2
    low, high = (middle, high) if is_good(middle * _WIDEST) else (low, middle)
  return low


def _border(box: np.ndarray) -> np.ndarray:
  """Points [N 2] along the sides of left, top, right, bottom."""
  shares = np.linspace(0, 1, _STEPS)
  across = box[0] + shares * (box[2] - box[0])
  down = box[1] + shares * (box[3] - box[1])
  rows = [np.stack([across, np.full(_STEPS, y)], 1) for y in box[[1, 3]]]
  columns = [np.stack([np.full(_STEPS, x), down], 1) for x in box[[0, 2]]]
  return np.concatenate(rows + columns)


@functools.lru_cache(maxsize=2)
def _maps(
  lens: Lens,
  flat: tuple[float, ...],
  size: tuple[int, int],
  straight: tuple[float, ...],
  target: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
  """For each pixel of the target, where it is in the lens's picture."""
  matrix = np.array(flat).reshape(3, 3)
  if lens.model in (OPENCV, FISHEYE):
    return _opencv_maps(lens, matrix, np.array(straight).reshape(3, 3), target)
  fx, _, cx, _, fy, cy, *_ = straight
  width, height = target
  maps = np.empty((2, height, width), np.float32)
  x = (np.arange(width) + 0.5 - cx) / fx
  for first in range(0, height, _ROWS):
    y = (np.arange(first, min(first + _ROWS, height)) + 0.5 - cy) / fy
    plane = np.stack(np.meshgrid(x, y), axis=-1)
    pixels = project(lens, matrix, size, plane.reshape(-1, 2))
    found = pixels.reshape(plane.shape) - 0.5  # as OpenCV counts
    maps[:, first : first + len(y)] = np.moveaxis(found, -1, 0)
  return maps[0], maps[1]


def _opencv_maps(
  lens: Lens, matrix: np.ndarray, straight: np.ndarray, target: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  import cv2

  half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # as OpenCV counts
  known = np.array(lens.coefficients, np.float64)
  make: Any = cv2.initUndistortRectifyMap
  if lens.model == FISHEYE:
    make = cv2.fisheye.initUndistortRectifyMap
  return make(
    matrix - half, known, np.eye(3), straight - half, target, cv2.CV_32FC1
  )


def _shown(lens: Lens) -> str:
  return " ".join(f"{x:.4g}" for x in lens.coefficients) or "no coefficients"
