"""Baselines that any learned renderer must beat, and the codec's ceiling."""

import numpy as np
from einops import reduce, repeat

from scenetok_jax.geometry.view_selection import pose_distances
from scenetok_jax.types import Views


def nearest_view(context: Views, target: Views) -> np.ndarray:
  """Copies, per target frame, the context view with the nearest pose.

  context [V], target [T] of one scene -> uint8 [T H W 3]. Distance as in
  farthest-point selection: squared translation plus squared rotation angle.
  """
  views = len(context.cameras.extrinsics)
  poses = np.concatenate(
    [context.cameras.extrinsics, target.cameras.extrinsics]
  )
  distances = pose_distances(poses)[views:, :views]  # [T V]
  return np.asarray(context.images)[np.argmin(distances, axis=1)]


def mean_view(context: Views, target: Views) -> np.ndarray:
  """The mean of the context views for every target frame: [T H W 3] uint8."""
  images = np.asarray(context.images, np.float32)
  mean = np.round(reduce(images, "v h w c -> h w c", "mean")).astype(np.uint8)
  return repeat(mean, "h w c -> t h w c", t=len(target.cameras.extrinsics))
