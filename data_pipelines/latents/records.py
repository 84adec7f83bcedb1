"""Latents of a frozen codec on disk: ArrayRecord records of a few latents.

  PATH/<split>/
    context/, target/     TensorFlow Datasets directories of the two codecs
    scenes.jsonl          one index row per scene
    cameras.f32           25 float32 a frame: c2w [4 4], then K [3 3]
    prepared.json         written last: codecs with weight hashes, counts

A record is a tf.train.Example with latent (packed, see `unpack`), scene,
index and flipped: up to `chunk` latents of a scene, from index on, since a read
costs a bucket more than its bytes. A scene's plain latents come first, then,
where the data have them, those of the mirrored images.
"""

import dataclasses
import math
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import ml_dtypes
import numpy as np

from data_pipelines.storage import records, scales
from scenetok_jax.geometry.scale import Scale
from scenetok_jax.reading.schema import Between, Count, Name, checked
from scenetok_jax.types import Cameras, InputError

NAMES = {"context": "context_latents", "target": "target_latents"}
KIND = "latents"
_AGAIN = "make the latents again"
WEIGHTS = "weights_sha256"
# Latents of a scene in one record. An example's target latents are neighbours;
# its context views are too far apart to share one
# (docs/performance_loading.md).
CHUNKS = {"context": 1, "target": 8}
DTYPES = {
  "float16": np.dtype(np.float16),
  "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


class _Codec(TypedDict):
  name: Name
  dtype: Literal["float16", "bfloat16"]
  shape: tuple[records.Side, records.Side, records.Side]
  weights_sha256: str
  chunk: NotRequired[Annotated[int, Between(1, 1 << 16)]]


class _Codecs(TypedDict):
  context: dict[str, Any]
  target: dict[str, Any]


class _Info(TypedDict):
  """What prepared.json of latents has beside records.Info."""

  codecs: _Codecs
  flipped: bool


class RecordLayout(NamedTuple):
  """dtype and shape of a latent; how many of a scene share a record."""

  dtype: np.dtype
  shape: tuple[int, ...]
  chunk: int

  @classmethod
  def of(cls, fields: Mapping[str, Any], where: str) -> "RecordLayout":
    """From a codec's entry in prepared.json; without chunk: one a record."""
    entry = checked(fields, _Codec, where, _AGAIN)
    shape, chunk = entry["shape"], entry.get("chunk", 1)
    return cls(DTYPES[entry["dtype"]], shape, chunk)

  def records(self, count: int) -> int:
    """How many records hold a scene's latents."""
    return -(-count // self.chunk)


@dataclasses.dataclass(frozen=True)
class LatentRow:
  """Index row of one scene.

  frames: cameras and context latents. latents: target latents. height,
  width: pixels of the encoded frames. first: number of its first camera;
  context_first, target_first: of its first plain record. cameras_crc32: of its
  part of cameras.f32; None in older data.
  """

  key: str
  frames: Count
  latents: Count
  height: records.Side
  width: records.Side
  source: str
  sha256: str
  first: Count
  context_first: Count
  target_first: Count
  cameras_crc32: Count | None = None

  @property
  def kept(self) -> np.ndarray:
    """Frames that training may use: held-out ones were never encoded."""
    return np.arange(self.frames)


class LatentDataset:
  """Random access to the latents of one split.

  Attributes:
    scenes: index rows, in the order they were written.
    info: contents of prepared.json; `codecs` says what made the latents.
    flipped: whether mirrored latents are there.
  """

  def __init__(self, path: str | os.PathLike, split: str = "train"):
    self.path = Path(path)
    self.split = split
    self.directory = self.path / split
    self.info = records.read_info(self.path, split, KIND)
    where = str(self.directory / records.PREPARED)
    checked(self.info, _Info, where, _AGAIN)
    self.scenes = records.read_scenes(
      self.directory / records.SCENES, LatentRow
    )
    self._cameras = records.map_cameras(self.directory / records.CAMERAS)
    self.flipped = self.info["flipped"]
    self._sources = {}
    self._layout: dict[str, RecordLayout] = {}
    for part, name in NAMES.items():
      folder = self.directory / part
      self._sources[part] = records.open_source(folder, name, split)
      self._layout[part] = RecordLayout.of(
        self.info["codecs"][part], f"{where}: codecs.{part}"
      )
    self._check_counts()

  def __reduce__(self):
    # Worker processes open the files themselves.
    return LatentDataset, (self.path, self.split)

  def __len__(self) -> int:
    return len(self.scenes)

  def cameras(self, row: LatentRow) -> Cameras:
    """Cameras of all frames of a scene, from the index (no record is read)."""
    return records.scene_cameras(self._cameras, row, self.directory)

  @property
  def scale(self) -> Scale | None:
    """How large its scenes are."""
    return scales.stored(self.info, self.scenes, self._cameras)

  def read(
    self, row: LatentRow, part: str, numbers: np.ndarray, flipped: bool = False
  ) -> np.ndarray:
    """Some latents of a scene, in order: [L, h, w, C] as they are stored.

    Args:
      row: the scene.
      part: "context" (one a frame) or "target".
      numbers: which latents.
      flipped: those of the mirrored images.
    """
    count = row.frames if part == "context" else row.latents
    where = f"{self.directory}: scene {row.key}: {part} latent"
    layout, places = self._layout[part], np.asarray(numbers, np.int64)
    for number in places[(places < 0) | (places >= count)]:
      raise InputError(f"{where} {number}: the scene has {count}")
    out: np.ndarray | None = None
    starts = places - places % layout.chunk
    for start in np.unique(starts):
      size = min(layout.chunk, count - start)
      found = self._record(row, part, int(start), int(size), flipped)
      mine = starts == start
      if out is None:  # not before a record was as large as its shape says
        out = np.empty((len(places), *layout.shape), layout.dtype)
      out[mine] = found[places[mine] - start]
    return np.empty((0, *layout.shape), layout.dtype) if out is None else out

  def _record(
    self, row: LatentRow, part: str, start: int, size: int, flipped: bool
  ) -> np.ndarray:
    """The latents of one record, which holds `size` of them from start on."""
    layout = self._layout[part]
    count = row.frames if part == "context" else row.latents
    first = row.context_first if part == "context" else row.target_first
    first += layout.records(count) if flipped else 0
    where = f"{self.directory}: scene {row.key}: {part} latent {start}"
    number = first + start // layout.chunk
    example = records.read_example(self._sources[part], number, where)
    place = {"scene": row.key, "index": start, "flipped": int(flipped)}
    records.check_place(example, place, where)
    data = example["latent"].bytes_list.value[0]
    return unpack(data, layout.dtype, (size, *layout.shape), where)

  def _check_counts(self) -> None:
    times = 2 if self.flipped else 1
    lengths = {
      "context": [row.frames for row in self.scenes],
      "target": [row.latents for row in self.scenes],
    }
    wanted = {
      part: times * sum(map(self._layout[part].records, counts))
      for part, counts in lengths.items()
    }
    found = {part: len(source) for part, source in self._sources.items()}
    frames = sum(row.frames for row in self.scenes)
    if found != wanted or len(self._cameras) != frames:
      raise InputError(
        f"{self.directory}: {found} records and {len(self._cameras)} cameras,"
        f" but {records.SCENES} counts {wanted} and {frames}; make the latents"
        " again"
      )


def origin(dataset: LatentDataset) -> str:
  """Which codecs made the latents, for people."""
  codecs = (dataset.info["codecs"][part] for part in NAMES)
  weights = (
    f"{codec['name']} (weights {codec[WEIGHTS][:12] or 'none'})"
    for codec in codecs
  )
  return f"{dataset.directory}: latents of {' and '.join(weights)}"


def pack(latent: np.ndarray) -> bytes:
  """A 16-bit array -> its low bytes, then its high bytes Huffman-coded.

  The low bytes of a latent are noise, the high bytes (sign, exponent) are
  not: apart they are a sixth smaller than the array, and quick to read.
  """
  planes = np.ascontiguousarray(latent).view(np.uint8).reshape(-1, 2)
  coder = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
  high = coder.compress(planes[:, 1].tobytes()) + coder.flush()
  return planes[:, 0].tobytes() + high


def unpack(
  data: bytes, dtype: np.dtype, shape: tuple[int, ...], where: str
) -> np.ndarray:
  """The inverse of `pack`; `where` names the origin in errors."""
  count = math.prod(shape)
  try:
    if len(data) < count:  # one of its two bytes is stored as it is
      raise ValueError(f"{len(data)} bytes for {count} numbers")
    planes = np.empty((count, 2), np.uint8)
    coder = zlib.decompressobj(-15)
    planes[:, 0] = np.frombuffer(data, np.uint8, count)
    planes[:, 1] = np.frombuffer(
      coder.decompress(data[count:], count), np.uint8, count
    )
  except (zlib.error, ValueError) as error:
    raise InputError(
      f"{where}: cannot be unpacked ({error}); make the latents again"
    ) from None
  latents = planes.reshape(-1).view(dtype).reshape(shape)
  if not finite(latents):
    raise InputError(f"{where}: holds NaN or Inf; make the latents again")
  return latents


def finite(latents: np.ndarray) -> bool:
  """Whether no 16-bit number is NaN or Inf, by their bits: that is quick."""
  least = np.array(np.inf, latents.dtype).view(np.uint16)
  magnitudes = latents.view(np.uint16) & np.uint16(0x7FFF)
  return bool((magnitudes < least).all())


def check_codecs(dataset: LatentDataset, wanted: dict[str, Any]) -> None:
  """InputError unless the latents were made by the codecs of a config.

  Args:
    dataset: the latents.
    wanted: {"context", "target"} -> what `codecs` of the info must say:
      name, geometry, scaling, options and the hash of the weights, "" where a
      configuration has none: training on latents needs no codec.
  """
  for part, fields in wanted.items():
    stored = dataset.info["codecs"][part]
    for field, value in fields.items():
      unknown = field == WEIGHTS and not value
      if stored.get(field) != value and not unknown:
        raise InputError(
          f"{dataset.directory}: codecs.{part}.{field}: the latents were made"
          f" with {stored.get(field)!r}, config.codecs.{part} is"
          f" {value!r}; make the latents again with `scenetok latents`, or"
          " train with the codec that made them"
        )
