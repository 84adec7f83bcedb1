"""Colour error between neighbouring frames, one warped by depth to the other.

Where the true depth is known, a video of a rigid scene can be checked without
the true colours: what one frame shows at a point, the next one must show too.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from scenetok_jax.metrics.metric import Metric, Video

OCCLUSION = 0.05  # relative: points farther behind the surface are hidden
LEAST = 0.05  # share of a frame that its neighbour must see
Values = npt.NDArray[np.float64]


def warp_error(video: Video) -> Values:
  """Mean absolute colour error of images in [0, 1] per neighbouring pair.

  Every pixel of the second frame, at its true depth, is looked up in the
  first, bilinearly, where that frame sees it. NaN for pairs that share less
  than LEAST of a frame. -> [T - 1].
  """
  if video.depth is None:
    raise ValueError("warp: no depth")
  images = video.images.astype(np.float64) / 255.0
  poses = np.asarray(video.cameras.extrinsics, np.float64)
  lenses = np.asarray(video.cameras.intrinsics, np.float64)
  height, width = images.shape[1:3]
  grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
  plane = np.ones((height, width, 3))
  plane[..., :2] = (grid + 0.5) / (width, height)
  values = np.full(len(images) - 1, np.nan)
  for i in range(len(values)):
    rays = plane @ np.linalg.inv(lenses[i + 1]).T
    points = rays * video.depth[i + 1][..., None]
    relative = np.linalg.inv(poses[i]) @ poses[i + 1]
    points = points @ relative[:3, :3].T + relative[:3, 3]
    ahead = np.maximum(points[..., 2], 1e-6)
    pixels = (points @ lenses[i].T)[..., :2] / ahead[..., None]
    x, y = np.moveaxis(pixels * (width, height) - 0.5, -1, 0)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    surface = _sample(video.depth[i], y, x)
    near = np.abs(points[..., 2] - surface) < OCCLUSION * surface
    seen = inside & near & (points[..., 2] > 0)
    if seen.mean() >= LEAST:
      channels = np.moveaxis(images[i], -1, 0)
      shown = np.stack([_sample(c, y, x) for c in channels], axis=-1)
      values[i] = np.abs(shown - images[i + 1])[seen].mean()
  return values


def _sample(image: np.ndarray, y: Values, x: Values) -> Values:
  """[H W] at places [H W], bilinearly; edge pixels are repeated."""
  image = image.astype(np.float64)
  return map_coordinates(image, [y, x], order=1, mode="nearest")


METRIC = Metric("warp", "posed_video", warp_error, "lower", "Warped error", 4)
