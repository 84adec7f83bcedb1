"""One training example: which views of a scene, read and nothing else."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from data_pipelines.latents.records import LatentDataset, check_codecs
from data_pipelines.loading.view_readers import (
  FrameReader,
  LatentReader,
  PairedReader,
)
from data_pipelines.loading.watchdog import ActivityLog
from data_pipelines.storage.records import Dataset
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.types import InputError

CACHE_BYTES = 2 << 30  # ours: 3,600 rooms of 48 frames at 64x64


@dataclasses.dataclass(frozen=True)
class Examples:
  """(index, scene number), rng -> one example as nested dicts of arrays."""

  reader: FrameReader | LatentReader | PairedReader
  sampler: ViewSampler
  batch_size: int
  flip: bool
  activity: ActivityLog | None = None

  def __call__(
    self, item: tuple[int, int], rng: np.random.Generator
  ) -> dict[str, dict[str, np.ndarray]]:
    """Draws the views, reads only these, flips half of the scenes."""
    index, number = item
    row: Any = self.reader.dataset.scenes[number]
    if self.activity is None:
      return self._read(row, index, rng)
    with self.activity.doing(f"scene {row.key}"):
      return self._read(row, index, rng)

  def _read(
    self, row: Any, index: int, rng: np.random.Generator
  ) -> dict[str, dict[str, np.ndarray]]:
    dataset = self.reader.dataset
    kept = row.kept  # the sampler sees a clip without the held-out frames
    extrinsics = dataset.cameras(row).extrinsics[kept]
    choice = self.sampler.sample(rng, extrinsics, index // self.batch_size)
    flipped = self.flip and rng.random() < 0.5
    parts = {"context": choice.context, "target": choice.target}
    if len(choice.condition):
      parts["condition"] = choice.condition
    return {
      name: self.reader.views(row, name, kept[frames], choice.latents, flipped)
      for name, frames in parts.items()
    }


def open_examples(
  data: Any, codecs: Callable[[], dict] | None = None
) -> Examples:
  """What a configuration's `data` section reads; see loader.train_iterator.

  Raises:
    InputError: no data, other image size or codecs, or scenes too short.
  """
  sampler = ViewSampler.from_config(data)
  reader = _open(data, codecs)
  check(reader.dataset, sampler, data.image_size)
  flip = bool(data.flip)
  return Examples(reader, sampler, data.batch_size, flip, ActivityLog())


def _open(
  data: Any, codecs: Callable[[], dict] | None
) -> FrameReader | LatentReader | PairedReader:
  """The frames at data.path (with targets at data.target_path), or latents."""
  if data.get("latents"):
    latents = LatentDataset(data.latents, data.split)
    if codecs is None:
      raise InputError(
        "data.latents: which codecs they must be of is not known here; read"
        " them through a configuration"
      )
    check_codecs(latents, codecs())
    if data.flip and not latents.flipped:
      raise InputError(
        f"{latents.directory}: data.flip: there are no latents of mirrored"
        " frames; make them without --no-flip, or set --config.data.flip=False"
      )
    return LatentReader(latents)
  if not data.path:
    raise InputError(
      "data.path: not set; pass --config.data.path=DIR, a folder made by"
      " `scenetok prepare`, or --config.data.latents=DIR"
    )
  # A cache in each worker process would multiply the memory.
  cache = bool(data.cache) and data.workers == 0
  size = CACHE_BYTES if cache else 0
  reader = FrameReader(Dataset(data.path, data.split), size)
  if not data.get("target_path"):
    return reader
  targets = Dataset(data.target_path, data.split)
  return PairedReader(reader, FrameReader(targets, size))


def check(
  dataset: Dataset | LatentDataset, sampler: ViewSampler, image_size: int
) -> None:
  """InputError unless every scene serves the configuration."""
  for row in dataset.scenes:
    where = f"{dataset.directory}: scene {row.key}"
    if (row.height, row.width) != (image_size, image_size):
      raise InputError(
        f"{where}: data.image_size: the config says {image_size}, the frames"
        f" are {row.height}x{row.width}; prepare with --size={image_size} or"
        f" set --config.data.image_size={row.height}"
      )
    try:
      sampler.check_frames(len(row.kept))
    except InputError as error:
      raise InputError(f"{where}: {error}") from None
