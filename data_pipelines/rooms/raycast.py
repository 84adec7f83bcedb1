"""First hits of camera rays with the faces and balls of a room."""

import dataclasses

import numpy as np

from data_pipelines.rooms.scene import Scene

NEAR = 0.02  # metres


@dataclasses.dataclass(frozen=True)
class Hits:
  """inverse depth, texture coordinates in [-1, 1], surface: all [H W]."""

  inverse: np.ndarray
  s: np.ndarray
  t: np.ndarray
  surface: np.ndarray


@dataclasses.dataclass(frozen=True)
class Projected:
  """Every surface as seen by every frame.

  affine: [T F 3 3], rows inverse depth, s / depth, t / depth as linear
  functions of the ray (x, y, 1). gap: [T F] distance of the face's plane.
  rect: [T S 4] pixel rectangle x0 x1 y0 y1; empty if hidden.
  balls: [T N 3] centres in the camera.
  """

  affine: np.ndarray
  gap: np.ndarray
  rect: np.ndarray
  balls: np.ndarray


def _rectangles(corners: np.ndarray, focal: float, size: int) -> np.ndarray:
  """Pixel bounds [T F 4] of quadrilaterals [T F 4 3] clipped at NEAR."""
  ahead = np.roll(corners, -1, 2)
  z, z2 = corners[..., 2], ahead[..., 2]
  step = np.where(np.abs(z2 - z) < 1e-9, 1e-9, z2 - z)
  cross = np.clip((NEAR - z) / step, 0, 1)[..., None]
  points = np.concatenate([corners, corners + cross * (ahead - corners)], 2)
  valid = np.concatenate([z > NEAR, (z > NEAR) != (z2 > NEAR)], 2)
  depth = np.maximum(points[..., 2], NEAR)
  pixel = (points[..., :2] / depth[..., None] * focal + 0.5) * size - 0.5
  low = np.where(valid[..., None], pixel, np.inf).min(2)
  high = np.where(valid[..., None], pixel, -np.inf).max(2)
  low = np.clip(np.ceil(low - 1e-3), 0, size)
  high = np.clip(np.floor(high + 1e-3) + 1, 0, size)
  return np.stack([low[..., 0], high[..., 0], low[..., 1], high[..., 1]], -1)


def project(
  scene: Scene, c2w: np.ndarray, focal: float, size: int
) -> Projected:
  """Prepares all frames c2w [T 4 4] for images of size x size pixels."""
  turn, place = c2w[:, :3, :3].astype(np.float64), c2w[:, :3, 3]
  faces = scene.faces
  u = np.stack([f.u for f in faces]) * [[f.width / 2] for f in faces]
  v = np.stack([f.v for f in faces]) * [[f.height / 2] for f in faces]
  mid = np.stack([f.origin for f in faces]) + u + v

  def local(x: np.ndarray) -> np.ndarray:
    return np.einsum("fk,tkj->tfj", x, turn)

  uc, vc = local(u), local(v)
  middle = local(mid) - np.einsum("tk,tkj->tj", place, turn)[:, None]
  normal = np.cross(uc, vc)
  normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
  gap = np.einsum("tfk,tfk->tf", normal, middle)
  front = gap < -1e-6
  inverse = normal / np.where(front, gap, -1)[..., None]
  rows = [inverse]
  for axis in (uc, vc):
    axis = axis / np.einsum("tfk,tfk->tf", axis, axis)[..., None]
    offset = np.einsum("tfk,tfk->tf", axis, middle)[..., None]
    rows.append(axis - offset * inverse)
  corners = np.stack([-uc - vc, uc - vc, uc + vc, -uc + vc], 2)
  rect = _rectangles(middle[:, :, None] + corners, focal, size)
  rect[~front] = 0

  if scene.balls:
    centers = np.stack([ball.center for ball in scene.balls])
    balls = local(centers) - np.einsum("tk,tkj->tj", place, turn)[:, None]
    r = np.array([ball.radius for ball in scene.balls])[:, None, None]
    # A cube turned to the camera holds the ball: bound by its front face.
    z = np.maximum(balls[..., 2:] - 1.05 * r[:, 0], NEAR)[:, :, None]
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]]) * 1.2
    flat = balls[:, :, None, :2] + square * r
    far = balls[..., 2:][:, :, None] + 1.05 * r
    both = [np.concatenate([flat, np.broadcast_to(d, (*flat.shape[:3], 1))],
                           -1) for d in (z, np.maximum(far, NEAR))]  # fmt: skip
    rects = [_rectangles(points, focal, size) for points in both]
    ball_rect = np.where(
      [True, False, True, False], np.minimum(*rects), np.maximum(*rects)
    )
    ball_rect[balls[..., 2] < NEAR] = 0
    rect = np.concatenate([rect, ball_rect], 1)
  else:
    balls = np.zeros((len(c2w), 0, 3))
  return Projected(
    np.stack(rows, 2).astype(np.float32),
    -gap.astype(np.float32),
    rect.astype(int),
    balls.astype(np.float32),
  )


def pixel_rays(focal: float, size: int) -> np.ndarray:
  """x (or y) of the rays through pixel centres at unit depth [size]."""
  return (((np.arange(size) + 0.5) / size - 0.5) / focal).astype(np.float32)


def cast(
  scene: Scene, view: Projected, frame: int, turn: np.ndarray,
  rays: np.ndarray,
) -> Hits:  # fmt: skip
  """Nearest surface along every ray of one frame; turn [3 3] is c2w's."""
  size = len(rays)
  best = np.zeros((3, size, size), np.float32)
  surface = np.zeros((size, size), np.int32)
  rect = view.rect[frame]
  shown = (rect[:, 1] > rect[:, 0]) & (rect[:, 3] > rect[:, 2])
  count = len(scene.faces)
  for i in np.flatnonzero(shown).tolist():
    x0, x1, y0, y1 = rect[i].tolist()
    box = (slice(y0, y1), slice(x0, x1))
    target = best[:, y0:y1, x0:x1]
    if i < count:
      m = view.affine[frame, i]
      row = m[:, 1:2] * rays[y0:y1] + m[:, 2:]
      found = (m[:, :1] * rays[x0:x1])[:, None, :] + row[:, :, None]
      st = found[1:]
      st = st * st if scene.faces[i].round else np.abs(st)
      bound = found[0] * found[0] if scene.faces[i].round else found[0]
      reach = st[0] + st[1] if scene.faces[i].round else np.maximum(*st)
      hit = reach <= bound
      hit &= found[0] > target[0]
    else:
      found, hit = _cast_ball(
        view.balls[frame, i - count], scene.balls[i - count].radius, turn,
        rays[x0:x1], rays[y0:y1],
      )  # fmt: skip
      hit &= found[0] > target[0]
    np.copyto(target, found, where=hit)
    np.copyto(surface[box], i, where=hit)
  depth = 1 / np.maximum(best[0], np.float32(1e-6))
  return Hits(best[0], best[1] * depth, best[2] * depth, surface)


def _cast_ball(
  center: np.ndarray, radius: float, turn: np.ndarray, x: np.ndarray,
  y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
  """Inverse depth, s / depth, t / depth [3 h w] and the hit mask [h w]."""
  a = (x * x)[None] + (y * y + 1)[:, None]
  b = (center[0] * x)[None] + (center[1] * y + center[2])[:, None]
  c = np.float32(center @ center - radius**2)
  root = b * b - a * c
  hit = root > 0
  inverse = (b + np.sqrt(np.maximum(root, 0))) / c  # 1 / the nearer depth
  z = 1 / np.maximum(inverse, np.float32(1e-6))
  local = np.stack([x[None] * z, y[:, None] * z, z]) - center[:, None, None]
  nx, ny, nz = np.einsum("jk,khw->jhw", turn / radius, local)
  s = np.arctan2(ny, nx) * np.float32(1 / np.pi)
  t = np.arcsin(np.clip(nz, -1, 1)) * np.float32(2 / np.pi)
  found = np.stack([inverse, s * inverse, t * inverse]).astype(np.float32)
  return found, hit


def center_depth(
  hits: Hits, view: Projected, frame: int, rays: np.ndarray, supersample: int
) -> np.ndarray:
  """Depth [h w] at pixel centres from the samples around them.

  The nearest surface seen in a pixel is evaluated at its centre: exact where
  the pixel sees one face, within the range of its samples at silhouettes.
  rays [w] are the centres' x at unit depth.
  """
  n = supersample
  inverse, surface = hits.inverse[::n, ::n], hits.surface[::n, ::n]
  farthest = inverse
  for i in range(n):
    for j in range(n):
      other = hits.inverse[i::n, j::n]
      closer = other > inverse
      inverse = np.where(closer, other, inverse)
      farthest = np.minimum(farthest, other)
      surface = np.where(closer, hits.surface[i::n, j::n], surface)
  count = view.affine.shape[1]
  plane = view.affine[frame, :, 0]
  flat = surface < count
  a, b, c = plane[np.where(flat, surface, 0)].transpose(2, 0, 1)
  exact = a * rays + b * rays[:, None] + c
  exact = np.clip(exact, farthest, inverse)
  return 1 / np.where(flat, exact, inverse)
