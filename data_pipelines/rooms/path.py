"""Hand-held camera paths that walk and turn inside a procedural room."""

import numpy as np

from data_pipelines.rooms.scene import Scene

CLEARANCE = 0.3  # metres kept from walls and furniture


def clearance(
  scene: Scene, points: np.ndarray, tall_only: bool = False
) -> np.ndarray:
  """Plan distance [...] from points [... 2] to the nearest obstacle, m.

  Negative inside an obstacle.
  """
  best = np.full(points.shape[:-1], np.inf)
  for (cx, cy, hx, hy, yaw), tall in zip(
    scene.obstacles, scene.tall, strict=True
  ):
    if tall_only and not tall:
      continue
    c, s = np.cos(yaw), np.sin(yaw)
    x, y = points[..., 0] - cx, points[..., 1] - cy
    dx = np.abs(c * x + s * y) - hx
    dy = np.abs(-s * x + c * y) - hy
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    best = np.minimum(best, outside + np.minimum(np.maximum(dx, dy), 0))
  return best


def _spline(knots: np.ndarray, t: np.ndarray) -> np.ndarray:
  """Uniform cubic B-spline of knots [..., K, C] at t [T] in [0, 1]."""
  spans = knots.shape[-2] - 3
  x = np.clip(t, 0, 1) * spans
  i = np.minimum(x.astype(int), spans - 1)
  f = x - i
  weights = np.stack([
    (1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4,
    -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3,
  ]) / 6  # fmt: skip
  parts = [knots[..., i + k, :] * weights[k][:, None] for k in range(4)]
  return np.sum(parts, axis=0)


def _smooth_noise(
  rng: np.random.Generator, knots: int, t: np.ndarray
) -> np.ndarray:
  """Zero-mean smooth noise [T] of about unit size."""
  values = _spline(1.5 * rng.standard_normal((knots + 3, 1)), t)
  return values[:, 0]


def _walk(scene: Scene, rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
  """Plan positions [T 2] of a smooth walk of a few metres.

  Knots of a B-spline are drawn around a free spot; of all candidates the
  longest one (up to 5 m) that keeps clear is taken. Shrinking a path towards
  the roomiest spot always succeeds in the end.
  """
  size = np.array([scene.width, scene.depth])
  spots = rng.random((256, 2)) * size
  room = clearance(scene, spots)
  best = spots[np.argmax(room)]
  good = spots[np.argsort(-room)[:40]]
  fine = np.linspace(0, 1, 65)
  knots = good[rng.integers(0, 40, (48, 7))]
  # Neighbouring knots share a drift, so that the walk does not zigzag.
  knots = 0.6 * knots + 0.4 * np.roll(knots, 1, axis=1)
  for scale in (1.0, 0.75, 0.5, 0.3, 0.15, 0.0):
    shrunk = best + scale * (knots - best)
    paths = _spline(shrunk, fine)
    clear = clearance(scene, paths).min(1)
    length = np.hypot(*np.moveaxis(np.diff(paths, axis=1), -1, 0)).sum(1)
    margin = min(CLEARANCE + 0.1, float(room.max()) - 1e-6)
    score = np.where(clear >= margin, np.minimum(length, 5.0), -1)
    if score.max() > 0.8 or scale == 0.0:
      return _spline(shrunk[np.argmax(score)], t)
  raise AssertionError("unreachable")


def _headings(
  scene: Scene, rng: np.random.Generator, places: np.ndarray, t: np.ndarray
) -> np.ndarray:
  """Yaw [T] in radians: a long sweep, chosen so that walls stay away."""
  wobble = 0.12 * _smooth_noise(rng, 6, t)
  warp = t + rng.uniform(-0.09, 0.09) * np.sin(2 * np.pi * t)
  starts = rng.uniform(0, 2 * np.pi, 24)
  sweeps = np.radians(rng.uniform(200, 350, 24)) * rng.choice([-1, 1], 24)
  yaw = starts[:, None] + sweeps[:, None] * warp + wobble
  ahead = np.stack([np.cos(yaw), np.sin(yaw)], -1)
  steps = np.arange(1, 6)[:, None, None, None] * 0.5
  points = places[None, None] + steps * ahead[None]
  blocked = clearance(scene, points, tall_only=True) < 0.1
  reach = np.where(blocked, steps[..., 0], 3.0).min(0)
  score = np.minimum(reach, 2.0).mean(1) + 0.5 * reach.min(1)
  return yaw[np.argmax(score)]


def walk(scene: Scene, rng: np.random.Generator, frames: int) -> np.ndarray:
  """Camera-to-world [T 4 4] float32, OpenCV axes, world z up.

  The path does not depend on the frame count, which only samples it.
  """
  t = np.linspace(0, 1, max(frames, 2))[:frames]
  fine = np.linspace(0, 1, 64)
  height = rng.uniform(1.3, 1.65)
  seeds = np.random.SeedSequence(int(rng.bit_generator.random_raw())).spawn(3)

  def fork(i: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seeds[i]))

  places = _walk(scene, fork(0), t)
  score_places = _walk(scene, fork(0), fine)
  yaw_fine = _headings(scene, fork(1), score_places, fine)
  yaw = np.interp(t, fine, yaw_fine)
  wave = fork(2)
  pitch = np.radians(
    np.clip(wave.uniform(-8, 1) + 2.5 * _smooth_noise(wave, 6, t), -11.5, 11.5)
  )
  roll = np.radians(np.clip(0.6 * _smooth_noise(wave, 7, t), -1.9, 1.9))
  z = height + 0.03 * _smooth_noise(wave, 7, t)
  zero = np.zeros_like(yaw)
  forward = np.stack(
    [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)],
    -1,
  )
  right = np.stack([np.sin(yaw), -np.cos(yaw), zero], -1)
  down = np.cross(forward, right)
  c, s = np.cos(roll)[:, None], np.sin(roll)[:, None]
  c2w = np.tile(np.eye(4), (frames, 1, 1))
  c2w[:, :3, 0] = c * right + s * down
  c2w[:, :3, 1] = -s * right + c * down
  c2w[:, :3, 2] = forward
  c2w[:, :3, 3] = np.concatenate([places, z[:, None]], -1)
  return c2w.astype(np.float32)
