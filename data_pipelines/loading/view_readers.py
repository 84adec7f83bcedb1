"""Views of one scene as dicts of arrays: frames, or latents of a codec."""

import dataclasses
import threading

import numpy as np

from data_pipelines.latents.records import LatentDataset, LatentRow
from data_pipelines.loading import transforms
from data_pipelines.storage.records import Dataset, SceneRow, content_hash
from scenetok_jax.geometry import cameras as camera_math
from scenetok_jax.types import Cameras, InputError


class FrameReader:
  """Reads frames of a dataset, keeping decoded ones in memory if they fit."""

  def __init__(self, dataset: Dataset, cache_bytes: int = 0):
    self.dataset = dataset
    self._cache_bytes = cache_bytes
    self._images: np.ndarray | None = None
    self._filled: np.ndarray | None = None
    sizes = {(row.height, row.width) for row in dataset.scenes}
    height, width = next(iter(sizes))
    shape = (dataset.frames, height, width, 3)
    if len(sizes) == 1 and np.prod(shape, dtype=np.int64) <= cache_bytes:
      self._images = np.empty(shape, np.uint8)  # pages are used when filled
      self._filled = np.zeros(dataset.frames, bool)
      self._lock = threading.Lock()

  def __reduce__(self):
    return FrameReader, (self.dataset, self._cache_bytes)

  @property
  def identity(self) -> str:
    """What is read, wherever it lies."""
    return f"frames {content_hash(self.dataset.scenes)}"

  def read(
    self, row: SceneRow, frames: np.ndarray
  ) -> tuple[np.ndarray, Cameras]:
    """Images uint8 [T, H, W, 3] and cameras [T] of some frames, in order."""
    if self._images is None or self._filled is None:
      return self.dataset.read_frames(row, frames)
    records = row.first + frames
    missing = np.unique(frames[~self._filled[records]])
    if len(missing):
      images, _ = self.dataset.read_frames(row, missing)
      with self._lock:
        self._images[row.first + missing] = images
        self._filled[row.first + missing] = True
    cameras = self.dataset.cameras(row)
    return self._images[records], take(cameras, frames)

  def views(
    self,
    row: SceneRow,
    part: str,
    frames: np.ndarray,
    latents: np.ndarray,
    flipped: bool,
  ) -> dict[str, np.ndarray]:
    """Images [V, H, W, 3] and cameras [V] of some frames."""
    del part, latents
    images, cameras = self.read(row, frames)
    return _views(images, cameras, flipped)


class PairedReader:
  """Views of one dataset, but target frames of another of the same scenes.

  The renderer then learns to draw those: depth images, say, from colours.
  Cameras are always those of the first.
  """

  def __init__(self, frames: FrameReader, targets: FrameReader):
    self.dataset = frames.dataset
    self._frames, self._targets = frames, targets
    self._rows = {row.key: row for row in targets.dataset.scenes}

  @property
  def identity(self) -> str:
    """What is read, wherever it lies."""
    return f"{self._frames.identity} to {self._targets.identity}"

  def check(self, row: SceneRow) -> None:
    """InputError unless the targets have the scene, frame by frame."""
    there, wanted = self._rows.get(row.key), (row.frames, row.height, row.width)
    shape = there and (there.frames, there.height, there.width)
    if shape != wanted:
      found = "absent from" if there is None else f"{shape} in"
      raise InputError(
        f"{found} {self._targets.dataset.directory} (data.target_path), but"
        f" {wanted} frames, rows, columns here; prepare the same scenes, frames"
        " and size"
      )

  def views(
    self,
    row: SceneRow,
    part: str,
    frames: np.ndarray,
    latents: np.ndarray,
    flipped: bool,
  ) -> dict[str, np.ndarray]:
    """Images [V, H, W, 3] and cameras [V] of some frames."""
    if part != "target":
      return self._frames.views(row, part, frames, latents, flipped)
    images, _ = self._targets.read(self._rows[row.key], frames)
    cameras = take(self.dataset.cameras(row), frames)
    return _views(images, cameras, flipped)


@dataclasses.dataclass(frozen=True)
class LatentReader:
  """Reads the latents of a dataset that are asked for, and no others."""

  dataset: LatentDataset

  @property
  def identity(self) -> str:
    """What is read, wherever it lies."""
    return f"latents {content_hash(self.dataset.scenes)}"

  def views(
    self,
    row: LatentRow,
    part: str,
    frames: np.ndarray,
    latents: np.ndarray,
    flipped: bool,
  ) -> dict[str, np.ndarray]:
    """Latents [L, h, w, C] and the cameras [V] of some frames.

    Args:
      row: the scene.
      part: "target", read at `latents`; "context" and "condition" views have
        one latent a frame.
      frames: whose cameras are wanted.
      latents: target latents.
      flipped: of the mirrored images.
    """
    cameras = take(self.dataset.cameras(row), frames)
    if flipped:
      cameras = camera_math.flip(cameras)
    if part == "target":
      found = self.dataset.read(row, "target", latents, flipped)
    else:
      found = self.dataset.read(row, "context", frames, flipped)
    return {"latents": found, **_fields(cameras)}


def take(cameras: Cameras, frames: np.ndarray) -> Cameras:
  """Cameras [T] at some frames."""
  return Cameras(cameras.extrinsics[frames], cameras.intrinsics[frames])


def _views(
  images: np.ndarray, cameras: Cameras, flipped: bool
) -> dict[str, np.ndarray]:
  """Images [V, H, W, 3] and cameras [V], mirrored if asked."""
  if flipped:
    images, cameras = transforms.flip(images, cameras)
  return {"images": np.ascontiguousarray(images), **_fields(cameras)}


def _fields(cameras: Cameras) -> dict[str, np.ndarray]:
  return {"extrinsics": cameras.extrinsics, "intrinsics": cameras.intrinsics}
