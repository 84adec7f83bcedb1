"""Batches of posed views from prepared data: a function of (seed, index).

The stream has no filter and no hidden state: example i is scene shuffle(i) of
those that the configuration can use, with draws seeded by i, so its state is
one number and it resumes identically with another number of workers or
processes.
"""

import dataclasses
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grain
import jax
import numpy as np
from einops import rearrange

from data_pipelines.latents.records import LatentDataset, origin
from data_pipelines.loading import usage
from data_pipelines.loading.concurrent import ConcurrentExamples
from data_pipelines.loading.examples import open_examples
from data_pipelines.loading.watchdog import ActivityLog, TimedCall
from data_pipelines.storage.records import Dataset, SceneRow
from scenetok_jax.geometry.scale import Scale
from scenetok_jax.io import write_json
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import Cameras, InputError, SceneBatch, Views

_BATCHES_AHEAD = 4
# ours: they wait for a bucket (docs/performance_loading.md)
_THREADS_OF_A_WORKER = 64
_NAMED = 20  # scenes left out that stderr tells
_MOST_WORKERS = 16  # ours: each takes memory, and a moment to start


@dataclasses.dataclass(frozen=True)
class Scene:
  """A whole clip: images uint8 [T, H, W, 3], cameras [T], its index row."""

  row: SceneRow
  images: np.ndarray
  cameras: Cameras


class TimeLimit(NamedTuple):
  """How long to wait for a batch; what its readers note; what they read."""

  seconds: float
  activity: ActivityLog
  source: str


class TrainIterator(Iterator[SceneBatch]):
  """Endless host-local batches; get_state() is JSON and counts examples.

  State {"global_next_index": n}: the next batch starts at example n of the
  global stream. It may be restored with other workers, processes or batch
  sizes. dropped: why a scene is never drawn, by its key. origin: which codecs
  made the latents that are read. identity: of what is read, a hash that does
  not depend on where it lies. scale: measures how large its scenes are.
  """

  def __init__(
    self,
    elastic: Any,
    limit: TimeLimit | None = None,
    dropped: Mapping[str, str] | None = None,
    origin: str = "",
    identity: str = "",
    scale: Callable[[], Scale | None] = lambda: None,
  ):
    self.dropped, self.origin = dropped or {}, origin
    self.identity, self.scale = identity, scale
    self._iterator = iterator = iter(elastic)
    # Also at exit: Grain's threads outlive the interpreter's modules.
    self._closer = weakref.finalize(self, self._iterator.close)
    self._fetch: Callable[[], Any] = lambda: next(iterator)
    if limit is not None:
      timed = TimedCall(self._fetch, *limit)
      weakref.finalize(self, timed.close)
      self._fetch = timed

  def __next__(self) -> SceneBatch:
    return to_scene_batch(self._fetch())

  def get_state(self) -> dict[str, int]:
    """The position in the stream, as JSON."""
    return self._iterator.get_state()

  def set_state(self, state: dict[str, int]) -> None:
    """Continues from a state of any iterator over the same data and seed."""
    self._iterator.set_state(dict(state))

  def tell(self, file: Path) -> None:
    """Says what is read, on stderr; scenes that are left out, in a file too."""
    if self.origin:
      remark(self.origin)
    rows = [{"scene": k, "reason": r} for k, r in self.dropped.items()]
    if not rows:
      return
    write_json(file, rows)
    for row in rows[:_NAMED]:
      remark(f"scene {row['scene']} is left out: {row['reason']}")
    if len(rows) > _NAMED:
      remark(f"{len(rows)} scenes are left out: {file}")

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
  parts: Sequence[int] | None = None,
) -> TrainIterator:
  """The training stream of a configuration's `data` section.

  Args:
    data: fields path, latents (read instead of path where set), split,
      batch_size (global), workers (-1: see `count_workers`), threads (see
      `batches`), cache, image_size,
      frames_per_latent, chunked, num_context, num_targets, num_conditions,
      flip, view_sampler, timeout (seconds without a batch after which a
      StuckWorkerError names the worker; 0 or absent: never).
    seed: seed of the order and of all draws.
    codecs: what latents must have been made with (data_pipelines.latents:
      identity), by part; asked only for latents.
    process_index, process_count: this host's share of each batch; JAX's own
      by default.
    parts: which of the process_count * len(parts) equal parts of the global
      batch this host gets, ascending; (process_index,) by default.

  Returns:
    Iterator of SceneBatch with NumPy leaves over the scenes that the
    configuration can use (the others are its `dropped`): context images uint8
    [B, num_context, H, W, 3], target images [B, frames, H, W, 3], condition
    (None unless num_conditions > 0), and their cameras. With data.latents,
    latents as the codecs store them stand in place of images.

  Raises:
    InputError: no data, latents of other codecs, or no scene that serves.
  """
  data = with_workers(data)
  examples = open_examples(data, codecs)
  index = jax.process_index() if process_index is None else process_index
  count = jax.process_count() if process_count is None else process_count
  rows = _rows(data.batch_size, count, (index,) if parts is None else parts)
  stream = example_stream(examples, examples.numbers, seed)
  if count > 1:
    stream = _HostRows(stream, data.batch_size, count, rows)
  shard = grain.sharding.ShardOptions(index, count, drop_remainder=True)
  threads = data.get("threads", 0)
  elastic = batches(stream, data.batch_size, data.workers, shard, threads)
  seconds = float(data.get("timeout", 0.0))
  source = str(examples.reader.dataset.directory)
  limit = None
  if seconds > 0 and examples.activity is not None:
    limit = TimeLimit(seconds, examples.activity, source)
  dataset = examples.reader.dataset
  made = origin(dataset) if isinstance(dataset, LatentDataset) else ""
  identity = examples.reader.identity
  return TrainIterator(
    elastic, limit, examples.dropped, made, identity, examples.scale
  )


def count_workers(workers: int, processes: int = 1) -> int:
  """How many worker processes read: `workers`, or as suits the machine for -1.

  Half of this process's cores, 16 at most: the others drive the devices. On up
  to four cores the training process reads: workers would be in its way.

  processes: of the run on this host, which share its cores.
  """
  if workers >= 0:
    return workers
  if workers != -1:
    raise InputError(
      f"config.data.workers: {workers} must be 0 or more, or -1: as many as"
      " suit the machine"
    )
  cores = min(usage.cores(), (os.cpu_count() or 1) // processes)
  return min(cores // 2, _MOST_WORKERS) if cores > 4 else 0


def with_workers(data: Any, processes: int = 1) -> Any:
  """A `data` section with count_workers in the place of workers=-1."""
  count = count_workers(data.workers, processes)
  if count == data.workers:
    return data
  found = data.copy_and_resolve_references()
  found.workers = count
  return found


def example_stream(
  examples: Callable[[tuple[int, int], np.random.Generator], Any],
  scenes: Sequence[int],
  seed: int,
) -> grain.MapDataset:
  """Endless examples: scenes[shuffle(i)], drawn with a generator of i."""
  stream = grain.MapDataset.source(scenes)
  stream = stream.seed(seed).shuffle().repeat()
  return stream.map_with_index(_with_index).random_map(examples)


def batches(
  stream: grain.MapDataset,
  batch_size: int,
  workers: int,
  shard: grain.sharding.ShardOptions,
  threads: int = 0,
) -> grain.experimental.ElasticIterator:
  """One host's share of global batches, made ahead of their use.

  workers: 0 reads in this process. threads: examples of a batch that a process
  reads at once; 0 is many in a worker and one in this process.
  """
  threads = threads or (_THREADS_OF_A_WORKER if workers > 0 else 1)
  if workers > 0:
    _parse_flags()
  if threads > 1:
    share = batch_size // shard.shard_count
    stream = ConcurrentExamples(stream, share, threads)
  return grain.experimental.ElasticIterator(
    stream,
    batch_size,
    shard,
    read_options=grain.ReadOptions(
      num_threads=2 if threads == 1 else _BATCHES_AHEAD,
      prefetch_buffer_size=_BATCHES_AHEAD,
    ),
    multiprocessing_options=(
      grain.MultiprocessingOptions(workers, per_worker_buffer_size=2)
      if workers > 0
      else None
    ),
  )


def _rows(batch_size: int, hosts: int, parts: Sequence[int]) -> np.ndarray:
  """Rows of the global batch in some of its hosts * len(parts) equal parts."""
  count = hosts * len(parts)
  if batch_size % count:
    raise InputError(
      f"config.data.batch_size: {batch_size} examples do not divide over the"
      f" {count} parts that {hosts} processes load; use a multiple"
    )
  return rearrange(np.arange(batch_size), "(n b) -> n b", n=count)[
    list(parts)
  ].ravel()


class _HostRows(grain.MapDataset):
  """Reorders each global batch so that this host is dealt its rows of it.

  ElasticIterator deals examples out in turn; with this, the hosts' rows make
  up the same global batch for any number of hosts and any order of devices.
  """

  def __init__(
    self, parent: Any, batch_size: int, hosts: int, rows: np.ndarray
  ):
    super().__init__(parent)
    self._batch_size = batch_size
    self._hosts = hosts
    self._rows = [int(row) for row in rows]

  def __len__(self) -> int:
    return len(self._parent)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return self.slice(index)
    batch, position = divmod(index, self._batch_size)
    row = self._rows[position // self._hosts]
    return self._parent[batch * self._batch_size + row]


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
