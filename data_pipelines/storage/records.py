"""Prepared data on disk: one ArrayRecord record per frame, plus an index.

  PATH/<split>/                 a TensorFlow Datasets directory
    dataset_info.json, features.json, posed_frames-<split>.array_record-*
    scenes.jsonl                one index row per scene
    cameras.f32                 25 float32 a frame: c2w [4 4], then K [3 3]
    frame_depth-<split>.array_record-*   depth maps, where they are known
    prepared.json               written last: options, counts
  PATH/report.json              what was seen, kept and dropped, by split

A record is a tf.train.Example with image (JPEG or PNG bytes), extrinsics,
intrinsics, scene and frame, so `tfds.builder_from_directory(PATH/<split>)`
reads it too. Reading needs no TensorFlow and touches only the asked frames.
"""

import dataclasses
import functools
import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, TypeVar

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from tensorflow_datasets.proto import tf_example_pb2

from data_pipelines.storage import scales
from data_pipelines.storage.images import decode_image
from scenetok_jax.geometry.camera_checks import check_cameras
from scenetok_jax.geometry.scale import Length, Scale
from scenetok_jax.reading.json_text import read_json, read_rows
from scenetok_jax.reading.schema import Between, Count, checked
from scenetok_jax.reading.shown import sides
from scenetok_jax.types import Cameras, InputError, check_key

FORMAT_VERSION = 1
NAME = "posed_frames"
CAMERA_FLOATS = 25
PREPARED = "prepared.json"
SCENES = "scenes.jsonl"
CAMERAS = "cameras.f32"
# Samples are single records: handing each to a thread would cost ten times the
# reading.
_READ_OPTIONS = {"max_parallelism": "0"}

_KEPT = 64  # scenes whose checked cameras are held

_AGAIN = "prepare the data again"

Row = TypeVar("Row")
Side = Annotated[int, Between(1, 1 << 16)]


class Dropped(TypedDict):
  """A scene that is not kept, and why."""

  scene: str
  reason: str


class Report(TypedDict):
  """What was seen, kept and dropped of a split."""

  seen: Count
  kept: Count
  frames: Count
  dropped: list[Dropped]
  warnings: list[str]


class Info(TypedDict):
  """prepared.json of a split."""

  format_version: Count
  report: Report
  recipe: NotRequired[dict[str, Any]]
  scale: NotRequired[Scale | None]
  kind: NotRequired[str]


@dataclasses.dataclass(frozen=True)
class SceneRow:
  """Index row of one scene.

  first: number of its first frame record in the split; frame i is record
    first + i.
  held_out: frames that training must not see.
  sha256: hash of all encoded images and cameras.
  origin: what was subtracted from the source's positions, in its units.
  cameras_crc32: of its part of cameras.f32; None in older data.
  depth: median depth of what is seen, in the source's unit, where it is known.
  """

  key: str
  frames: Count
  height: Side
  width: Side
  source: str
  sha256: str
  first: Count
  held_out: tuple[Count, ...] = ()
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
  cameras_crc32: Count | None = None
  depth: Length | None = None

  @property
  def kept(self) -> np.ndarray:
    """Frames that training may use, sorted, int64."""
    return np.setdiff1d(np.arange(self.frames), np.array(self.held_out, int))


class Dataset:
  """Random access to the frames of one prepared split.

  Attributes:
    scenes: index rows, in the order they were written.
    info: contents of prepared.json.
    records_read: frame records read so far by this object.
  """

  def __init__(self, path: str | os.PathLike, split: str = "train"):
    self.path = Path(path)
    self.split = split
    self.directory = self.path / split
    self.info = read_info(self.path, split)
    self.scenes = read_scenes(self.directory / SCENES, SceneRow)
    self.records_read = 0
    self._source = open_source(self.directory, NAME, split)
    self._cameras = map_cameras(self.directory / CAMERAS)
    # One example asks for a scene's several times.
    self._kept_cameras = functools.lru_cache(_KEPT)(self._checked_cameras)
    frames = sum(row.frames for row in self.scenes)
    if not len(self._source) == len(self._cameras) == frames:
      raise InputError(
        f"{self.directory}: {len(self._source)} frame records and"
        f" {len(self._cameras)} cameras, but {SCENES} counts {frames} frames;"
        " prepare the data again"
      )

  def __reduce__(self):
    # Worker processes open the files themselves.
    return Dataset, (self.path, self.split)

  def __len__(self) -> int:
    return len(self.scenes)

  @property
  def frames(self) -> int:
    """Frames of all scenes."""
    return len(self._cameras)

  def scene(self, key: str | int) -> SceneRow:
    """The index row of a scene, by key or by number."""
    return find_scene(self.scenes, key, self.directory)

  def cameras(self, scene: SceneRow | str | int) -> Cameras:
    """Cameras of all frames of a scene, from the index (no record is read).

    Their arrays are read-only.
    """
    row = scene if isinstance(scene, SceneRow) else self.scene(scene)
    return self._kept_cameras(row)

  def _checked_cameras(self, row: SceneRow) -> Cameras:
    found = scene_cameras(self._cameras, row, self.directory)
    for array in (found.extrinsics, found.intrinsics):
      array.setflags(write=False)
    return found

  @property
  def scale(self) -> Scale | None:
    """How large its scenes are."""
    return scales.stored(self.info, self.scenes, self._cameras)

  def read_frames(
    self, scene: SceneRow | str | int, frames: Sequence[int] | np.ndarray
  ) -> tuple[np.ndarray, Cameras]:
    """Images uint8 [T, H, W, 3] and cameras [T] of some frames, in order."""
    row = scene if isinstance(scene, SceneRow) else self.scene(scene)
    check_sum(self._cameras, row, self.directory)
    images, numbers = [], []
    for frame in frames:
      image, camera = self._read(row, int(frame))
      images.append(image)
      numbers.append(camera)
    shape = (0, row.height, row.width, 3)
    stacked = np.stack(images) if images else np.zeros(shape, np.uint8)
    cameras = np.array(numbers, np.float32).reshape(-1, CAMERA_FLOATS)
    return stacked, to_cameras(cameras, f"{self.directory}: scene {row.key}")

  def _read(self, row: SceneRow, frame: int) -> tuple[np.ndarray, list[float]]:
    where = f"{self.directory}: scene {row.key}: frame {frame}"
    if not 0 <= frame < row.frames:
      raise InputError(f"{where}: the scene has {row.frames} frames")
    field = read_example(self._source, row.first + frame, where)
    self.records_read += 1
    check_place(field, {"scene": row.key, "frame": frame}, where)
    image = decode_image(field["image"].bytes_list.value[0], where)
    if image.shape != (row.height, row.width, 3):
      raise InputError(
        f"{where}: image is {sides(image.shape)}, the index says"
        f" {row.width}x{row.height}; prepare the data again"
      )
    camera = [
      *field["extrinsics"].float_list.value,
      *field["intrinsics"].float_list.value,
    ]
    return image, camera


def open_source(
  directory: Path, name: str, split: str
) -> ArrayRecordDataSource:
  """The records of a TFDS directory; InputError when they are damaged."""
  files = sorted(directory.glob(f"{name}-{split}.array_record-*"))
  try:
    paths = [os.fspath(file) for file in files]
    return ArrayRecordDataSource(paths, _READ_OPTIONS)
  except Exception as error:  # array_record raises bare RuntimeErrors
    raise InputError(
      f"{directory}: records cannot be opened ({error}); prepare the data again"
    ) from error


def read_example(source: ArrayRecordDataSource, number: int, where: str) -> Any:
  """The fields of one record; `where` names it in errors."""
  try:
    example = tf_example_pb2.Example.FromString(source[number])
  except Exception as error:  # array_record and protobuf: several types
    raise InputError(
      f"{where}: record cannot be read ({error}); prepare the data again"
    ) from error
  return example.features.feature


def check_place(field: Any, wanted: Mapping[str, object], where: str) -> None:
  """InputError unless a record says that it is the one that was asked for."""
  for name, value in wanted.items():
    kind = field[name]
    found = (
      kind.bytes_list.value[0].decode("utf-8", "backslashreplace")
      if isinstance(value, str)
      else kind.int64_list.value[0]
    )
    if found != value:
      raise InputError(
        f"{where}: the record is of {name} {found!r}: files were mixed up;"
        " prepare the data again"
      )


def splits(path: str | os.PathLike) -> list[str]:
  """Names of the finished splits under a prepared folder."""
  return sorted(file.parent.name for file in Path(path).glob(f"*/{PREPARED}"))


def flatten_cameras(cameras: Cameras) -> np.ndarray:
  """Cameras [T] -> float32 [T, 25]."""
  frames = len(cameras.extrinsics)
  parts = [
    np.asarray(cameras.extrinsics, np.float32).reshape(frames, 16),
    np.asarray(cameras.intrinsics, np.float32).reshape(frames, 9),
  ]
  return np.concatenate(parts, axis=1)


def to_cameras(numbers: np.ndarray, where: str) -> Cameras:
  """float32 [T, 25] -> Cameras [T]; `where` names the origin in errors."""
  numbers = np.array(numbers)  # a copy: the index is a read-only file map
  extrinsics = numbers[:, :16].reshape(len(numbers), 4, 4)
  intrinsics = numbers[:, 16:].reshape(len(numbers), 3, 3)
  try:
    check_cameras(extrinsics, intrinsics, f"{where}: cameras")
  except InputError as error:
    raise InputError(f"{error}; prepare the data again") from None
  return Cameras(extrinsics, intrinsics)


def scene_cameras(cameras: np.ndarray, row: Any, directory: Path) -> Cameras:
  """Of a scene [T], from those of its split [N 25] as its index holds them.

  InputError for cameras that are none, or not those that were written.
  """
  numbers = cameras[row.first : row.first + row.frames]
  found = to_cameras(numbers, f"{directory}: scene {row.key}")
  check_sum(cameras, row, directory)
  return found


def check_sum(
  cameras: np.ndarray, row: Any, directory: Path, remedy: str = _AGAIN
) -> None:
  """InputError unless a scene's cameras are those that were written."""
  numbers = cameras[row.first : row.first + row.frames]
  if row.cameras_crc32 not in (None, checksum(numbers)):
    raise InputError(
      f"{directory / CAMERAS}: scene {row.key}: its bytes have changed"
      f" (checksum); {remedy}"
    )


def checksum(cameras: np.ndarray) -> int:
  """Of cameras [T 25], as cameras.f32 holds them."""
  return zlib.crc32(cameras.astype("<f4").tobytes())


def map_cameras(path: Path) -> np.ndarray:
  """float32 [T, 25] of a split, mapped from its file."""
  if not path.is_file() or path.stat().st_size % (4 * CAMERA_FLOATS):
    raise InputError(f"{path}: missing or cut short; prepare the data again")
  if path.stat().st_size == 0:
    return np.zeros((0, CAMERA_FLOATS), np.float32)
  numbers = np.memmap(path, np.dtype("<f4"), mode="r")
  return numbers.reshape(len(numbers) // CAMERA_FLOATS, CAMERA_FLOATS)


def read_info(path: Path, split: str, kind: str = "frames") -> dict[str, Any]:
  """prepared.json of a split, with a remedy when it is not there.

  kind: "frames" or "latents", which this split must hold.
  """
  verb = "prepare --dataset=..." if kind == "frames" else "latents --data=..."
  command = f"scenetok {verb} --split={split} --out={path}"
  check_key(split, f"{path}: data.split:")
  if not path.is_dir():
    raise InputError(
      f"{path}: data.path: no such folder; make it with `{command}`"
    )
  file = path / split / PREPARED
  if not file.is_file():
    found = ", ".join(splits(path)) or "no prepared split"
    raise InputError(
      f"{path}: data.split: {split!r} is not there (found: {found}); make it"
      f" with `{command}`"
    )
  info = read_prepared(file)
  found = info.get("kind", "frames")
  if found != kind:
    raise InputError(
      f"{file}: kind: holds {found}, {kind} are needed; data.path takes what"
      " `scenetok prepare` writes, data.latents what `scenetok latents` writes"
    )
  return info


def read_prepared(file: Path) -> dict[str, Any]:
  """A prepared.json of this version, checked."""
  info = checked(read_json(file, _AGAIN), Info, str(file), _AGAIN)
  if info["format_version"] != FORMAT_VERSION:
    raise InputError(
      f"{file}: format_version: {info['format_version']}, this program reads"
      f" {FORMAT_VERSION}; {_AGAIN}"
    )
  return info


def read_scenes(path: Path, kind: type[Row]) -> list[Row]:
  """Index rows of a split."""
  rows = []
  for where, fields in read_rows(path, _AGAIN):
    check_key(fields.get("key"), f"{where}: scene")
    rows.append(checked(fields, kind, where, _AGAIN))
  if not rows:
    raise InputError(f"{path}: no scene in it; {_AGAIN}")
  _check_inside(rows, path)
  return rows


def _check_inside(rows: Sequence[Any], path: Path) -> None:
  """InputError for a scene that names cameras or frames of others."""
  total = 0
  for row in rows:
    where = f"{path}: scene {row.key}"
    if row.first != total:
      raise InputError(
        f"{where}: first: {row.first}, after {total} frames; {_AGAIN}"
      )
    if max(getattr(row, "held_out", ()), default=-1) >= row.frames:
      raise InputError(f"{where}: held_out: a frame beyond its end; {_AGAIN}")
    total += row.frames


def content_hash(rows: Sequence[Any]) -> str:
  """Of the contents of scenes in their order, wherever they lie."""
  digest = hashlib.sha256()
  for row in rows:
    held_out = getattr(row, "held_out", ())
    digest.update(f"{row.key} {row.sha256} {held_out}\n".encode())
  return digest.hexdigest()[:16]


def find_scene(rows: Sequence[Any], key: str | int, directory: Path) -> Any:
  """One of a split's index rows, by its key or else by its number."""
  found = [row for row in rows if row.key == key]
  if found:
    return found[0]
  try:
    return rows[int(key)]
  except (ValueError, IndexError):
    keys = [row.key for row in rows[:13]]
    names = ", ".join(keys[:12]) + (", ..." if len(keys) > 12 else "")
    raise InputError(
      f"{directory}: scene {key!r} is not there; use a number below"
      f" {len(rows)} or one of {names}"
    ) from None
