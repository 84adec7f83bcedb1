"""Smooth camera paths through furnished rooms, past things worth seeing."""

import dataclasses

import numpy as np
from einops import rearrange

from data_pipelines.furnished.floor_plan import Room
from data_pipelines.furnished.mesh import FURNITURE, Mesh
from data_pipelines.furnished.trace import Tracer

Rng = np.random.Generator
CLEARANCE = 0.28  # metres between the camera and furniture or walls
LOW = 0.55  # metres: the camera may pass above things this low
_FINE = 33  # places that a path is tested at
_MOST_TURN = 7.0  # degrees between two of these
_VIEWS, _GRID = 7, 12  # views of a path that are judged, rays a side of each
_NEAR = 0.45  # metres: no view's middle comes closer to anything


def clearance(room: Room, points: np.ndarray) -> np.ndarray:
  """Plan distance [...] of points [... 2] to walls and furniture, metres.

  Negative inside something.
  """
  w, d, _ = room.size
  x, y = points[..., 0], points[..., 1]
  best = np.minimum(np.minimum(x, w - x), np.minimum(y, d - y))
  for box in room.taken:
    if not box.solid or box.low[2] > 1.9 or box.high[2] < LOW:
      continue
    dx = np.maximum(box.low[0] - x, x - box.high[0])
    dy = np.maximum(box.low[1] - y, y - box.high[1])
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    best = np.minimum(best, outside + np.minimum(np.maximum(dx, dy), 0))
  return best


@dataclasses.dataclass(frozen=True)
class Path:
  """Where a camera goes and looks.

  control: [3 3] of its curve, metres. aims: [3 3] of the curve that it looks
  at. focal: of all views, in image widths.
  """

  control: np.ndarray
  aims: np.ndarray
  focal: float

  def poses(self, frames: int) -> np.ndarray:
    """Camera-to-world [T 4 4] float32, OpenCV axes, metres, world z up."""
    t = np.linspace(0, 1, frames)
    return _poses(self.control, self.aims, t).astype(np.float32)


def find_path(room: Room, mesh: Mesh, tracer: Tracer, rng: Rng) -> Path | None:
  """A path, or None where the room has none.

  Of some random paths that keep clear, the one whose views show most
  furniture; none may look at bare walls.
  """
  best, found = 0.0, None
  focal = float(rng.uniform(0.6, 0.82))
  for places, turn in _candidates(room, rng):
    ahead = _poses(places, turn, np.linspace(0, 1, _FINE))[:, :3, 2]
    steps = np.einsum("tc,tc->t", ahead[1:], ahead[:-1])
    if steps.min() < np.cos(np.radians(_MOST_TURN)):
      continue
    fine = _poses(places, turn, np.linspace(0, 1, _VIEWS))
    score = judge(mesh, tracer, fine, focal)
    if score > best:
      best, found = score, Path(places, turn, focal)
  return found


def judge(mesh: Mesh, tracer: Tracer, c2w: np.ndarray, focal: float) -> float:
  """How much there is to see in views [T 4 4]; 0 where one is bad.

  Bad is a view with fewer than three objects, or furniture on less than a
  tenth of it, or something right before the camera.
  """
  ticks = (np.arange(_GRID) + 0.5) / _GRID - 0.5
  x, y = np.meshgrid(ticks / focal, ticks / focal)
  rays = np.stack([x, y, np.ones_like(x)], -1)
  rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
  way = np.einsum("tij,yxj->tyxi", c2w[:, :3, :3], rays)
  start = np.broadcast_to(c2w[:, None, None, :3, 3], way.shape)
  start, way = (rearrange(a, "t y x c -> (t y x) c") for a in (start, way))
  distance, triangle = tracer.hit(start, way)
  part = np.where(triangle >= 0, mesh.part[triangle], 0)
  part, distance = (
    rearrange(a, "(t n) -> t n", t=len(c2w)) for a in (part, distance)
  )
  shares, kinds = [], []
  for view, far in zip(part, distance, strict=True):
    things = view[view >= FURNITURE]
    shares.append(len(things) / view.size)
    kinds.append(len(np.unique(things)))
    if np.percentile(far, 15) < _NEAR or far.min() < 0.2:
      return 0.0
  if min(kinds) < 3 or min(shares) < 0.1 or max(shares) > 0.92:
    return 0.0
  return float(np.mean(np.minimum(shares, 0.55)) + 0.04 * np.mean(kinds))


def _candidates(room: Room, rng: Rng):
  """Up to ten clear paths: plan curves and where they look."""
  w, d, h = room.size
  middle = np.array([w / 2, d / 2])
  spots = rng.random((300, 2)) * [w, d]
  free = clearance(room, spots) > CLEARANCE + 0.05
  spots = spots[free]
  fine = np.linspace(0, 1, _FINE)
  found = 0
  for _ in range(60):
    if found == 10 or len(spots) < 3:
      return
    begin = spots[rng.integers(len(spots))]
    far = np.linalg.norm(spots - begin, axis=1)
    near = spots[(far > 0.7) & (far < 3.2)]
    if not len(near):
      continue
    end = near[rng.integers(len(near))]
    bend = rng.normal(0, 0.18, 2) * np.linalg.norm(end - begin)
    control = np.stack([begin, (begin + end) / 2 + bend, end])
    if clearance(room, curve(control, fine)).min() < CLEARANCE:
      continue
    height = rng.uniform(1.05, min(1.7, h - 0.7), 2)
    height[1] = height[0] + np.clip(height[1] - height[0], -0.25, 0.25)
    places = np.concatenate(
      [control, np.linspace(height[0], height[1], 3)[:, None]], axis=1
    )
    # Looks at one point across the room, then at another one near it.
    aim = middle + (middle - (begin + end) / 2) * rng.uniform(0.2, 1.0)
    aims = aim + rng.normal(0, 0.8, (3, 2))
    tilt = rng.uniform(0.45, 1.15, (3, 1))
    yield places, np.concatenate([aims, tilt], axis=1)
    found += 1


def curve(control: np.ndarray, t: np.ndarray) -> np.ndarray:
  """Quadratic Bezier curve of control [3 K] at t [T] -> [T K]."""
  t = t[:, None]
  return (
    (1 - t) ** 2 * control[0] + 2 * t * (1 - t) * control[1]
    + t**2 * control[2]
  )  # fmt: skip


def _poses(control: np.ndarray, aims: np.ndarray, t: np.ndarray) -> np.ndarray:
  """Cameras [T 4 4] along a curve, looking along another one."""
  ease = t + 0.08 * np.sin(2 * np.pi * t) / (2 * np.pi)
  position, target = curve(control, ease), curve(aims, t)
  forward = target - position
  flat = np.linalg.norm(forward[:, :2], axis=1, keepdims=True)
  # Aims close by would turn the camera down at its feet.
  forward[:, 2:] = np.clip(forward[:, 2:] / np.maximum(flat, 1.2), -0.42, 0.1)
  forward[:, :2] /= np.maximum(flat, 1e-6)
  forward /= np.linalg.norm(forward, axis=1, keepdims=True)
  right = np.stack([forward[:, 1], -forward[:, 0], 0 * t], 1)
  right /= np.linalg.norm(right, axis=1, keepdims=True)
  c2w = np.tile(np.eye(4), (len(t), 1, 1))
  c2w[:, :3, 0], c2w[:, :3, 2] = right, forward
  c2w[:, :3, 1] = np.cross(forward, right)
  c2w[:, :3, 3] = position
  return c2w
