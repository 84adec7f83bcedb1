"""One training example: which views of a scene, read and nothing else."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.latents.records import LatentDataset, check_codecs
from data_pipelines.loading.view_readers import (
  FrameReader,
  LatentReader,
  PairedReader,
)
from data_pipelines.loading.watchdog import ActivityLog
from data_pipelines.storage import scales
from data_pipelines.storage.records import Dataset
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.geometry import scale
from scenetok_jax.geometry.scale import Scale
from scenetok_jax.types import InputError

CACHE_BYTES = 2 << 30  # ours: 3,600 rooms of 48 frames at 64x64


@dataclasses.dataclass(frozen=True)
class Examples:
  """(index, scene number), rng -> one example as nested dicts of arrays.

  dropped: why a scene is not used, by its key.
  """

  reader: FrameReader | LatentReader | PairedReader
  sampler: ViewSampler
  batch_size: int
  flip: bool
  activity: ActivityLog | None = None
  dropped: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def numbers(self) -> list[int]:
    """The scenes that are used, by number."""
    scenes: Sequence[Any] = self.reader.dataset.scenes
    return [i for i, row in enumerate(scenes) if row.key not in self.dropped]

  def scale(self) -> Scale | None:
    """How large scenes are to a network: of their context views as drawn.

    One draw a scene, after all warm-up. Broken scenes do not count here: they
    are told when they are read.
    """
    dataset, numbers = self.reader.dataset, self.numbers
    baselines, depths = [], []
    for number in scales.some(len(numbers)):
      row: Any = dataset.scenes[numbers[number]]
      with contextlib.suppress(InputError):
        extrinsics = dataset.cameras(row).extrinsics[row.kept]
        rng = np.random.default_rng(int(number))
        choice = self.sampler.sample(rng, extrinsics, self.sampler.warm_step)
        baselines.append(scale.baseline(extrinsics[choice.context]))
        depths.append(getattr(row, "depth", None))
    return scale.summary(baselines, depths)

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
    InputError: no data, latents of other codecs, or no scene that serves.
  """
  sampler = ViewSampler.from_config(data)
  reader = _open(data, codecs)
  dropped = unusable(reader, sampler, data.image_size)
  if len(dropped) == len(reader.dataset):
    key, reason = next(iter(dropped.items()))
    raise InputError(f"{reader.dataset.directory}: scene {key}: {reason}")
  return Examples(
    reader, sampler, data.batch_size, bool(data.flip), ActivityLog(), dropped
  )


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


def unusable(
  reader: FrameReader | LatentReader | PairedReader,
  sampler: ViewSampler,
  image_size: int,
) -> dict[str, str]:
  """What is wrong with the scenes that a configuration cannot use, by key."""
  faults = {}
  scenes: Sequence[Any] = reader.dataset.scenes
  for row in scenes:
    try:
      if (row.height, row.width) != (image_size, image_size):
        raise InputError(
          f"data.image_size: the config says {image_size}, the frames are"
          f" {row.width}x{row.height}; prepare with --size={image_size} or set"
          f" --config.data.image_size={row.height}"
        )
      sampler.check_frames(len(row.kept))
      if isinstance(reader, PairedReader):
        reader.check(row)
    except InputError as error:
      faults[row.key] = str(error)
  return faults
