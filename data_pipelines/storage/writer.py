"""Writing a prepared split: parts of whole scenes, then one directory."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter

from data_pipelines.storage import index_files, records
from data_pipelines.storage.depth_maps import DEPTH
from data_pipelines.storage.index_files import IndexWriter
from data_pipelines.storage.tfds_files import Serializer, write_dataset_info
from scenetok_jax.io import write_json
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Count, checked
from scenetok_jax.types import Cameras

PART = "part.json"
_RECORDS = "records.array_record"
_DEPTH = "depth.array_record"
# One record a group: a training example reads single frames.
GROUPING = "group_size:1"
DESCRIPTION = "Posed video frames, one record each, in temporal order."


@dataclasses.dataclass(frozen=True)
class EncodedScene:
  """A scene ready for writing.

  images: encoded frames, T of them; cameras: [T]; source: where it came from.
  origin: what was subtracted from the source's positions.
  depth: encoded depth maps, T of them, or None; all scenes of a split alike.
  median_depth: see records.SceneRow.depth.
  """

  key: str
  images: Sequence[bytes]
  cameras: Cameras
  height: int
  width: int
  source: str
  held_out: tuple[int, ...] = ()
  warnings: tuple[str, ...] = ()
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
  depth: Sequence[bytes] | None = None
  median_depth: float | None = None


class Counts(TypedDict):
  """part.json of a part of any kind."""

  scenes: Count
  frames: Count
  dropped: list[records.Dropped]
  warnings: NotRequired[list[str]]


class Part(Counts):
  """part.json of a part of frames."""

  bytes: Count


class PartWriter:
  """Appends scenes to one part; frames go to disk as they come."""

  def __init__(self, directory: Path):
    directory.mkdir(parents=True)
    self._directory = directory
    self._serialize = Serializer(features())
    self._index = IndexWriter(directory)
    self._records = ArrayRecordWriter(os.fspath(directory / _RECORDS), GROUPING)
    self._depth: ArrayRecordWriter | None = None
    self._bytes = 0

  def add(self, scene: EncodedScene) -> records.SceneRow:
    """Writes one scene."""
    for example in examples(scene):
      data = self._serialize(example)
      self._records.write(data)
      self._bytes += len(data)
    if scene.depth is not None:
      if self._depth is None:
        path = os.fspath(self._directory / _DEPTH)
        self._depth = ArrayRecordWriter(path, GROUPING)
      for depth in scene.depth:
        self._depth.write(depth)
    return index_scene(self._index, scene)

  def close(self, report: dict) -> None:
    """Finishes the part; `report` goes into part.json, written last."""
    self.abandon()
    counts = {"scenes": self._index.rows, "frames": self._index.frames}
    write_json(
      self._directory / PART,
      {**counts, "bytes": self._bytes, **report},
      indent=1,
    )

  def abandon(self) -> None:
    """Closes the files of a part that will be thrown away."""
    self._records.close()
    if self._depth is not None:
      self._depth.close()
    self._index.close()


def index_scene(index: IndexWriter, scene: EncodedScene) -> records.SceneRow:
  """Indexes one scene after those before it."""
  cameras = records.flatten_cameras(scene.cameras)
  row = records.SceneRow(
    key=scene.key,
    frames=len(scene.images),
    height=scene.height,
    width=scene.width,
    source=scene.source,
    sha256=_content_hash(scene.images, cameras),
    first=index.frames,
    held_out=tuple(int(i) for i in scene.held_out),
    origin=scene.origin,
    cameras_crc32=records.checksum(cameras),
    depth=scene.median_depth,
  )
  index.add(row, cameras)
  return row


def read_part(directory: Path, kind: type = Part) -> dict[str, Any]:
  """part.json of a finished part; InputError where a crash damaged it."""
  path, remedy = directory / PART, index_files.remedy(directory)
  found: dict[str, Any] = checked(
    read_json(path, remedy), kind, str(path), remedy
  )
  return found


def merge(
  parts: Sequence[Path], directory: Path, split: str, info: dict
) -> None:
  """Moves the records of finished parts into one split directory.

  Repeatable: a merge that was killed goes on where it stopped.

  Args:
    parts: part folders, in order.
    directory: the split's folder, made if needed.
    split: its name.
    info: goes into prepared.json, which is written last.
  """
  directory.mkdir(parents=True, exist_ok=True)
  reports = [read_part(part) for part in parts]
  full = [
    (part, report)
    for part, report in zip(parts, reports, strict=True)
    if report["frames"]
  ]
  for number, (part, _) in enumerate(full):
    end = f"{split}.array_record-{number:05d}-of-{len(full):05d}"
    for file, name in ((_RECORDS, records.NAME), (_DEPTH, DEPTH)):
      if (part / file).exists():
        (part / file).replace(directory / f"{name}-{end}")
  write_dataset_info(
    directory,
    split,
    [report["frames"] for _, report in full],
    sum(report["bytes"] for _, report in full),
    name=records.NAME,
    features=features(),
    description=DESCRIPTION,
  )
  counts = [{"first": report["frames"]} for _, report in full]
  index_files.join([part for part, _ in full], directory, counts, info)


def features() -> tfds.features.FeaturesDict:
  """What TFDS knows about a record."""
  return tfds.features.FeaturesDict(
    {
      # Bytes, not features.Image: that one cannot encode without TensorFlow.
      "image": tfds.features.Tensor(shape=(), dtype=np.object_),
      "extrinsics": tfds.features.Tensor(shape=(4, 4), dtype=np.float32),
      "intrinsics": tfds.features.Tensor(shape=(3, 3), dtype=np.float32),
      "scene": tfds.features.Text(),
      "frame": np.int64,
    }
  )


def examples(scene: EncodedScene) -> Iterator[dict]:
  """One TFDS example per frame."""
  for frame, image in enumerate(scene.images):
    yield {
      "image": image,
      "extrinsics": np.asarray(scene.cameras.extrinsics[frame], np.float32),
      "intrinsics": np.asarray(scene.cameras.intrinsics[frame], np.float32),
      "scene": scene.key,
      "frame": frame,
    }


def _content_hash(images: Sequence[bytes], cameras: np.ndarray) -> str:
  digest = hashlib.sha256()
  for image in images:
    digest.update(len(image).to_bytes(8, "little"))
    digest.update(image)
  digest.update(cameras.astype("<f4").tobytes())
  return digest.hexdigest()
