"""Depth maps of prepared data: one record a frame, beside the frames."""

from collections.abc import Sequence

import numpy as np

from data_pipelines.storage import records
from data_pipelines.storage.depth_maps import DEPTH, decode_depth
from scenetok_jax.types import InputError


class DepthMaps:
  """Random access to the depth maps of a prepared split that has them.

  Raises:
    InputError: it has none, or not one for each frame.
  """

  def __init__(self, dataset: records.Dataset):
    self._dataset = dataset
    directory = dataset.directory
    if not any(directory.glob(f"{DEPTH}-*")):
      raise InputError(
        f"{directory}: no depth maps in it; prepare --dataset=furnished has"
        " them"
      )
    self._source = records.open_source(directory, DEPTH, dataset.split)
    if len(self._source) != dataset.frames:
      raise InputError(
        f"{directory}: {len(self._source)} depth maps of {dataset.frames}"
        " frames; prepare the data again"
      )

  def read(
    self, scene: str | int, frames: Sequence[int] | np.ndarray
  ) -> np.ndarray:
    """float32 [T, H, W] metres along the optical axis at pixel centres."""
    row = self._dataset.scene(scene)
    maps = [np.zeros((0, row.height, row.width), np.float32)]
    for frame in frames:
      where = f"{self._dataset.directory}: scene {row.key}: frame {frame}"
      if not 0 <= frame < row.frames:
        raise InputError(f"{where}: the scene has {row.frames} frames")
      data = self._source[row.first + int(frame)]
      maps.append(decode_depth(data, where)[None])
    return np.concatenate(maps)
