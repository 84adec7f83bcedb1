"""Pictures from inside a box with noise on its walls: a place with texture."""

import numpy as np

FRAMES, HEIGHT, WIDTH = 8, 96, 128
INTRINSICS = np.array([[0.6, 0, 0.5], [0, 0.8, 0.5], [0, 0, 1]])


def path():
  """Camera-to-world [T 4 4]: half a circle inside the box, looking outwards."""
  poses = np.tile(np.eye(4), (FRAMES, 1, 1))
  for n, angle in enumerate(np.linspace(0, np.pi / 2, FRAMES)):
    c, s = np.cos(angle), np.sin(angle)
    poses[n, :3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    poses[n, :3, 3] = [
      0.5 * np.cos(2 * angle),
      0.15 * s,
      0.5 * np.sin(3 * angle),
    ]
  return poses


def picture(pose, walls, scale=1):
  """uint8 [H W 3] of a box of half side 2 with a noise picture on each wall."""
  height, width = scale * HEIGHT, scale * WIDTH
  rows, columns = np.mgrid[:height, :width] + 0.5
  pixels = np.stack([columns / width, rows / height, np.ones_like(rows)], -1)
  rays = pixels @ np.linalg.inv(INTRINSICS).T @ pose[:3, :3].T
  distance = np.where(rays > 0, 2 - pose[:3, 3], 2 + pose[:3, 3]) / np.abs(rays)
  axis = distance.argmin(-1)
  points = pose[:3, 3] + rays * distance.min(-1)[..., None]
  wall = 2 * axis + (np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0)
  others = np.array([[1, 2], [0, 2], [0, 1]])[axis]
  spots = np.take_along_axis(points, others, -1)  # on the wall, in [-2, 2]
  size = walls.shape[1]
  u, v = np.moveaxis(
    ((spots + 2) / 4 * size).astype(int).clip(0, size - 1), -1, 0
  )
  grey = walls[wall, u, v]
  return np.repeat(grey[..., None], 3, axis=-1)


def frames(scale=1):
  """uint8 [T H W 3] along path(), so many times as large."""
  rng = np.random.default_rng(0)
  walls = np.zeros((6, 512, 512))
  for cell in (4, 16, 64):  # blobs of several sizes, for features of several
    noise = rng.uniform(0, 85, (6, 512 // cell, 512 // cell))
    walls += noise.repeat(cell, axis=1).repeat(cell, axis=2)
  walls = walls.astype(np.uint8)
  return np.stack([picture(pose, walls, scale) for pose in path()])
