"""Batches of posed views from prepared data: a function of (seed, index).

The stream has no filter and no hidden state: example i is scene shuffle(i)
with draws seeded by i, so its state is one number and it resumes identically
with another number of workers or processes.
"""

import dataclasses
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grain
import jax
import numpy as np

from data_pipelines.latent_records import LatentDataset, check_codecs
from data_pipelines.records import Dataset, SceneRow
from data_pipelines.view_readers import FrameReader, LatentReader
from data_pipelines.views import ViewSampler
from data_pipelines.watchdog import Diary, Watched
from scenetok_jax.types import Cameras, InputError, SceneBatch, Views

CACHE_BYTES = 2 << 30  # ours: 3,600 rooms of 48 frames at 64x64
_BATCHES_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class Scene:
  """A whole clip: images uint8 [T, H, W, 3], cameras [T], its index row."""

  row: SceneRow
  images: np.ndarray
  cameras: Cameras


class Watch(NamedTuple):
  """How long to wait for a batch; what its readers note; what they read."""

  seconds: float
  diary: Diary
  source: str


class TrainIterator(Iterator[SceneBatch]):
  """Endless host-local batches; get_state() is JSON and counts examples.

  State {"global_next_index": n}: the next batch starts at example n of the
  global stream. It may be restored with other workers, processes or batch
  sizes.
  """

  def __init__(self, elastic: Any, watch: Watch | None = None):
    self._iterator = iterator = iter(elastic)
    # Also at exit: Grain's threads outlive the interpreter's modules.
    self._closer = weakref.finalize(self, self._iterator.close)
    self._fetch: Callable[[], Any] = lambda: next(iterator)
    if watch is not None:
      watched = Watched(self._fetch, *watch)
      weakref.finalize(self, watched.close)
      self._fetch = watched

  def __next__(self) -> SceneBatch:
    return to_scene_batch(self._fetch())

  def get_state(self) -> dict[str, int]:
    """The position in the stream, as JSON."""
    return self._iterator.get_state()

  def set_state(self, state: dict[str, int]) -> None:
    """Continues from a state of any iterator over the same data and seed."""
    self._iterator.set_state(dict(state))

  def close(self) -> None:
    """Stops worker processes and threads."""
    self._closer()


def train_iterator(
  data: Any,
  *,
  seed: int,
  codecs: Callable[[], dict] | None = None,
  process_index: int | None = None,
  process_count: int | None = None,
) -> TrainIterator:
  """The training stream of a configuration's `data` section.

  Args:
    data: fields path, latents (read instead of path where set), split,
      batch_size (global), workers, cache, image_size, frames_per_latent,
      chunked, num_context, num_targets, num_conditions, flip, view_sampler,
      timeout (seconds without a batch after which a
      StuckWorkerError names the worker; 0 or absent: never).
    seed: seed of the order and of all draws.
    codecs: what latents must have been made with (data_pipelines.latents:
      identity), by part; asked only for latents.
    process_index, process_count: this host's share of each batch; JAX's own
      by default. Host p gets rows p * n .. p * n + n - 1 of the global batch.

  Returns:
    Iterator of SceneBatch with NumPy leaves: context images uint8
    [B, num_context, H, W, 3], target images [B, frames, H, W, 3], condition
    (None unless num_conditions > 0), and their cameras. With data.latents,
    latents as the codecs store them stand in place of images.

  Raises:
    InputError: no data, other image size or codecs, or scenes too short for
      the config.
  """
  sampler = ViewSampler.from_config(data)
  reader = _open(data, codecs)
  dataset = reader.dataset
  check(dataset, sampler, data.image_size)
  index = jax.process_index() if process_index is None else process_index
  count = jax.process_count() if process_count is None else process_count
  if data.batch_size % count:
    raise InputError(
      f"data.batch_size: {data.batch_size} is not a multiple of the"
      f" {count} processes; change it"
    )
  workers = data.workers
  diary = Diary()
  examples = Examples(reader, sampler, data.batch_size, bool(data.flip), diary)
  stream = grain.MapDataset.source(range(len(dataset)))
  stream = stream.seed(seed).shuffle().repeat()
  stream = stream.map_with_index(_with_index).random_map(examples)
  if count > 1:
    stream = _HostBlocks(stream, data.batch_size, count)
  if workers > 0:
    _parse_flags()
  elastic = grain.experimental.ElasticIterator(
    stream,
    data.batch_size,
    grain.sharding.ShardOptions(index, count, drop_remainder=True),
    read_options=grain.ReadOptions(
      num_threads=2 if workers == 0 else 1, prefetch_buffer_size=_BATCHES_AHEAD
    ),
    multiprocessing_options=(
      grain.MultiprocessingOptions(workers, per_worker_buffer_size=2)
      if workers > 0
      else None
    ),
  )
  seconds = float(data.get("timeout", 0.0))
  source = str(dataset.directory)
  watch = Watch(seconds, diary, source) if seconds > 0 else None
  return TrainIterator(elastic, watch)


@dataclasses.dataclass(frozen=True)
class Examples:
  """(index, scene number), rng -> one example as nested dicts of arrays."""

  reader: FrameReader | LatentReader
  sampler: ViewSampler
  batch_size: int
  flip: bool
  diary: Diary | None = None

  def __call__(
    self, item: tuple[int, int], rng: np.random.Generator
  ) -> dict[str, dict[str, np.ndarray]]:
    """Draws the views, reads only these, flips half of the scenes."""
    index, number = item
    row: Any = self.reader.dataset.scenes[number]
    if self.diary is None:
      return self._read(row, index, rng)
    with self.diary.doing(f"scene {row.key}"):
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


def _open(
  data: Any, codecs: Callable[[], dict] | None
) -> FrameReader | LatentReader:
  """The frames at data.path, or the latents at data.latents."""
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
  return FrameReader(
    Dataset(data.path, data.split), CACHE_BYTES if cache else 0
  )


class _HostBlocks(grain.MapDataset):
  """Reorders each global batch so that every host gets one block of it.

  ElasticIterator deals examples out in turn; with this, the concatenation of
  the hosts' batches is the same global batch for any number of hosts.
  """

  def __init__(self, parent: Any, batch_size: int, hosts: int):
    super().__init__(parent)
    self._batch_size = batch_size
    self._hosts = hosts

  def __len__(self) -> int:
    return len(self._parent)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return self.slice(index)
    batch, position = divmod(index, self._batch_size)
    place, host = divmod(position, self._hosts)
    block = self._batch_size // self._hosts
    return self._parent[batch * self._batch_size + host * block + place]


def _with_index(index: int, element: int) -> tuple[int, int]:
  return index, element


def to_scene_batch(parts: dict[str, dict[str, np.ndarray]]) -> SceneBatch:
  """Nested dicts of arrays, batched or not -> SceneBatch."""
  views = {
    name: Views(
      images=part.get("images"),
      latents=part.get("latents"),
      cameras=Cameras(part["extrinsics"], part["intrinsics"]),
    )
    for name, part in parts.items()
  }
  return SceneBatch(
    context=views["context"],
    target=views["target"],
    condition=views.get("condition"),
  )


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


def scenes(path: str, split: str = "test") -> list[SceneRow]:
  """Index rows of a prepared split."""
  return Dataset(path, split).scenes


def load_scene(
  path: str | Dataset, split: str = "test", scene: str | int = 0
) -> Scene:
  """All frames of one scene, by key or number."""
  dataset = path if isinstance(path, Dataset) else Dataset(path, split)
  row = dataset.scene(scene)
  images, cameras = dataset.read_frames(row, np.arange(row.frames))
  return Scene(row, images, cameras)


def _parse_flags() -> None:
  """Grain's workers read absl flags, also where no absl app has run."""
  from absl import flags

  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
