"""Writing latents: parts of whole scenes, then one split directory."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter

from data_pipelines.latents import records as latent_records
from data_pipelines.latents.records import CHUNKS, NAMES, LatentRow
from data_pipelines.storage import index_files, records, writer
from data_pipelines.storage.index_files import IndexWriter
from data_pipelines.storage.tfds_files import Serializer, write_dataset_info
from scenetok_jax.io import write_json
from scenetok_jax.reading.schema import Count
from scenetok_jax.types import Cameras

# `pack` has compressed them already.
_GROUPING = f"{writer.GROUPING},uncompressed"


@dataclasses.dataclass(frozen=True)
class EncodedLatents:
  """A scene ready for writing.

  context: 16-bit [T, h, w, C], plain, then flipped where both are stored.
  target: the same, [L, h, w, C]. cameras: [T]. size: (H, W) of the frames.
  """

  key: str
  context: Sequence[np.ndarray]
  target: Sequence[np.ndarray]
  cameras: Cameras
  size: tuple[int, int]
  source: str


class _Both(TypedDict):
  context: Count
  target: Count


class _Part(writer.Counts):
  """part.json of a part of latents."""

  records: _Both
  bytes: _Both


class PartWriter:
  """Appends scenes to one part.

  chunks: how many latents share a record, of context and target.
  """

  def __init__(self, directory: Path, chunks: Mapping[str, int] = CHUNKS):
    directory.mkdir(parents=True)
    self._chunks = chunks
    self._directory = directory
    self._serialize = Serializer(features())
    self._records = {
      part: ArrayRecordWriter(os.fspath(_records(directory, part)), _GROUPING)
      for part in NAMES
    }
    self._counts = dict.fromkeys(NAMES, 0)
    self._bytes = dict.fromkeys(NAMES, 0)
    self._index = IndexWriter(directory)

  def add(self, scene: EncodedLatents) -> LatentRow:
    """Writes one scene."""
    first = dict(self._counts)
    digest = hashlib.sha256()
    for part in NAMES:
      for flipped, latents in enumerate(getattr(scene, part)):
        digest.update(latents.tobytes())
        for index in range(0, len(latents), self._chunks[part]):
          chunk = latents[index : index + self._chunks[part]]
          self._write(part, scene.key, index, bool(flipped), chunk)
    cameras = records.flatten_cameras(scene.cameras)
    digest.update(cameras.astype("<f4").tobytes())
    row = LatentRow(
      key=scene.key,
      frames=len(scene.context[0]),
      latents=len(scene.target[0]),
      height=scene.size[0],
      width=scene.size[1],
      source=scene.source,
      sha256=digest.hexdigest(),
      first=self._index.frames,
      context_first=first["context"],
      target_first=first["target"],
      cameras_crc32=records.checksum(cameras),
    )
    self._index.add(row, cameras)
    return row

  def close(self, report: dict) -> None:
    """Finishes the part; `report` goes into part.json, written last."""
    self.abandon()
    counts = {"scenes": self._index.rows, "frames": self._index.frames}
    sizes = {"records": self._counts, "bytes": self._bytes}
    write_json(
      self._directory / writer.PART, {**counts, **sizes, **report}, indent=1
    )

  def abandon(self) -> None:
    """Closes the files."""
    for file in (*self._records.values(), self._index):
      file.close()

  def _write(
    self, part: str, key: str, index: int, flipped: bool, latents: np.ndarray
  ) -> None:
    example = {
      "latent": latent_records.pack(latents),
      "scene": key,
      "index": index,
      "flipped": flipped,
    }
    data = self._serialize(example)
    self._records[part].write(data)
    self._counts[part] += 1
    self._bytes[part] += len(data)


def read_part(directory: Path) -> dict[str, Any]:
  """part.json of a finished part; see writer.read_part."""
  return writer.read_part(directory, _Part)


def merge(
  parts: Sequence[Path], directory: Path, split: str, info: dict
) -> None:
  """Joins finished parts into one split directory; repeatable.

  info: goes into prepared.json, which is written last; its `codecs` also
  into the dataset info of either part.
  """
  reports = [read_part(part) for part in parts]
  full = [
    (part, report)
    for part, report in zip(parts, reports, strict=True)
    if report["frames"]
  ]
  for part, name in NAMES.items():
    folder = directory / part
    folder.mkdir(parents=True, exist_ok=True)
    for number, (source, _) in enumerate(full):
      shard = f"{name}-{split}.array_record-{number:05d}-of-{len(full):05d}"
      if _records(source, part).exists():
        _records(source, part).replace(folder / shard)
    write_dataset_info(
      folder,
      split,
      [report["records"][part] for _, report in full],
      sum(report["bytes"][part] for _, report in full),
      name=name,
      features=features(),
      description=json.dumps(info["codecs"][part]),
    )
  counts = [
    {
      "first": report["frames"],
      "context_first": report["records"]["context"],
      "target_first": report["records"]["target"],
    }
    for _, report in full
  ]
  index_files.join(
    [part for part, _ in full], directory, counts, info, LatentRow
  )


def features() -> tfds.features.FeaturesDict:
  """What TFDS knows about a record."""
  return tfds.features.FeaturesDict(
    {
      "latent": tfds.features.Tensor(shape=(), dtype=np.object_),
      "scene": tfds.features.Text(),
      "index": np.int64,
      "flipped": np.bool_,
    }
  )


def _records(directory: Path, part: str) -> Path:
  return directory / f"{part}.array_record"
