"""Writing one prepared split: frames in order, finished in one rename."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info

from data_pipelines import records
from scenetok_jax.types import Cameras, InputError

_FRAMES_PER_SHARD = 8192  # ours: 25 MB at 64x64, 300 MB at 256x256
_VERSION = tfds.core.Version(f"{records.FORMAT_VERSION}.0.0")


@dataclasses.dataclass(frozen=True)
class EncodedScene:
  """A scene ready for writing.

  images: encoded frames, T of them; cameras: [T]; source: where it came from.
  """

  key: str
  images: list[bytes]
  cameras: Cameras
  height: int
  width: int
  source: str
  held_out: tuple[int, ...] = ()
  warnings: tuple[str, ...] = ()


class SplitWriter:
  """Appends scenes to a split directory as a TensorFlow Datasets split.

  Frames are written as they come (memory stays flat); the records become a
  dataset only when close() has written prepared.json.
  """

  def __init__(self, directory: Path, split: str):
    directory.mkdir(parents=True)
    self._directory = directory
    self._split = split
    self._rows = 0
    self._frames = 0
    self._keys: set[str] = set()
    self._writer = tfds.core.SequentialWriter(
      _info(directory), _FRAMES_PER_SHARD, file_format="array_record"
    )
    self._writer.initialize_splits([split])
    self._scenes = (directory / records.SCENES).open("w")
    self._cameras = (directory / records.CAMERAS).open("wb")

  def add(self, scene: EncodedScene) -> records.SceneRow:
    """Writes one scene; InputError when its key was written before."""
    if scene.key in self._keys:
      raise InputError(f"scene {scene.key}: key: used twice; rename one folder")
    cameras = records.flatten_cameras(scene.cameras)
    row = records.SceneRow(
      key=scene.key,
      frames=len(scene.images),
      height=scene.height,
      width=scene.width,
      source=scene.source,
      sha256=_content_hash(scene.images, cameras),
      first=self._frames,
      held_out=tuple(int(i) for i in scene.held_out),
    )
    # One call a scene: TFDS writes its metadata anew with every call.
    self._writer.add_examples({self._split: list(_examples(scene))})
    self._cameras.write(cameras.astype("<f4").tobytes())
    self._scenes.write(json.dumps(dataclasses.asdict(row)) + "\n")
    self._keys.add(scene.key)
    self._rows += 1
    self._frames += row.frames
    return row

  def close(self, info: dict) -> None:
    """Finishes the records; `info` goes into prepared.json."""
    self._writer.close_all()
    self._scenes.close()
    self._cameras.close()
    counts = {"scenes": self._rows, "frames": self._frames}
    version = {"format_version": records.FORMAT_VERSION}
    write_json(
      self._directory / records.PREPARED, {**version, **counts, **info}
    )

  def abandon(self) -> None:
    """Closes the files of a split that will be thrown away."""
    self._writer.close_all()
    self._scenes.close()
    self._cameras.close()


def write_json(path: Path, value: dict) -> None:
  """Replaces a JSON file in one step."""
  partial = path.with_name(f".{path.name}.{os.getpid()}")
  partial.write_text(json.dumps(value, indent=1) + "\n")
  partial.replace(path)


def _info(directory: Path) -> tfds.core.DatasetInfo:
  """TFDS's description of a split directory."""
  features = tfds.features.FeaturesDict(
    {
      # Bytes, not features.Image: that one cannot encode without TensorFlow.
      "image": tfds.features.Tensor(shape=(), dtype=np.object_),
      "extrinsics": tfds.features.Tensor(shape=(4, 4), dtype=np.float32),
      "intrinsics": tfds.features.Tensor(shape=(3, 3), dtype=np.float32),
      "scene": tfds.features.Text(),
      "frame": np.int64,
    }
  )
  identity = dataset_info.DatasetIdentity(
    name=records.NAME,
    version=_VERSION,
    data_dir=os.fspath(directory),
    module_name=__name__,
  )
  return tfds.core.DatasetInfo(
    builder=identity,
    description="Posed video frames, one record each, in temporal order.",
    features=features,
    disable_shuffling=True,
  )


def _examples(scene: EncodedScene) -> Iterator[dict]:
  for frame, image in enumerate(scene.images):
    yield {
      "image": image,
      "extrinsics": np.asarray(scene.cameras.extrinsics[frame], np.float32),
      "intrinsics": np.asarray(scene.cameras.intrinsics[frame], np.float32),
      "scene": scene.key,
      "frame": frame,
    }


def _content_hash(images: list[bytes], cameras: np.ndarray) -> str:
  digest = hashlib.sha256()
  for image in images:
    digest.update(len(image).to_bytes(8, "little"))
    digest.update(image)
  digest.update(cameras.astype("<f4").tobytes())
  return digest.hexdigest()
