"""RealEstate10K as the published chunks: SOURCE/<split>/{*.torch, index.json}.

A chunk is a list of {key, url, timestamps, cameras [n, 18], images}; a camera
row is fx fy cx cy (normalised), two unused numbers and the 3x4
world-to-camera matrix. The form with camera texts is in re10k_texts.py.
"""

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.sources.posed_clips import PosedClip
from data_pipelines.sources.torch_chunks import Chunk, LazyTensor
from scenetok_jax.geometry import origins
from scenetok_jax.geometry.camera_checks import check_cameras
from scenetok_jax.geometry.cameras import invert
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import Cameras, InputError

INDEX = "index.json"
ROW = 18


def read_index(folder: str | os.PathLike) -> list[tuple[str, str]]:
  """(key, chunk file name) of all scenes of a split folder, in file order.

  Raises:
    InputError: no index, not JSON, or a chunk outside the folder. A key
      that stands twice is returned twice.
  """
  path = Path(folder) / INDEX
  remedy = (
    "fetch the index of this split, or give a folder with <split>/*.torch and"
    " <split>/index.json as --source"
  )
  pairs = read_json(path, remedy, pairs=True, root=list)
  if not all(map(_is_entry, pairs)):
    raise InputError(
      f'{path}: must be {{"scene key": "chunk.torch", ...}}; fetch it again'
    )
  return [(key, name) for key, name in pairs]


def read_chunk(path: str | os.PathLike) -> dict[str, list[Mapping[str, Any]]]:
  """Scenes of a chunk by key; tensors stay unread. Twice the same key: both."""
  content = Chunk(path).content
  if not isinstance(content, list):
    raise InputError(
      f"{path}: holds a {type(content).__name__}, not a list of scenes; fetch"
      " the chunk again"
    )
  scenes: dict[str, list[Mapping[str, Any]]] = {}
  for number, scene in enumerate(content):
    where = f"{path}: scene {number}"
    if not isinstance(scene, Mapping) or "key" not in scene:
      raise InputError(f"{where}: no `key`; fetch the chunk again")
    if not isinstance(scene["key"], str):
      raise InputError(
        f"{where}: `key` is {shown(scene['key'])}, not a string; save it as one"
      )
    scenes.setdefault(scene["key"], []).append(scene)
  return scenes


def read_scene(folder: str | os.PathLike, key: str) -> PosedClip:
  """One scene of a split folder, by its key.

  Raises:
    InputError: not in the index, not in its chunk, or damaged there.
  """
  for name, file in read_index(folder):
    if name == key:
      return load_scene(Path(folder) / file, key)
  raise InputError(f"{Path(folder) / INDEX}: no scene {key!r}; check the key")


def load_scene(path: str | os.PathLike, key: str) -> PosedClip:
  """One scene of a chunk file."""
  found = _cached_chunk(str(path)).get(key, [])
  where = f"{path}: scene {key}"
  if len(found) != 1:
    raise InputError(
      f"{where}: {'not in this chunk' if not found else 'in it twice'}; fetch"
      f" the chunk again or correct {INDEX}"
    )
  rows = _tensor(found[0], "cameras", where).read()
  images = found[0].get("images")
  if not isinstance(images, list) or not all(
    isinstance(image, LazyTensor) for image in images
  ):
    raise InputError(f"{where}: images: not a list of tensors; fetch it again")
  if len(images) != len(rows):
    raise InputError(
      f"{where}: {len(images)} images but {len(rows)} cameras; fetch it again"
    )
  cameras, origin = clip_from_rows(rows, f"{where}: cameras")
  return PosedClip(
    key=key,
    source=where,
    cameras=cameras,
    frames=[functools.partial(_bytes, image) for image in images],
    names=[f"{where}: frame {i}" for i in range(len(images))],
    warnings=origins.note(np.array(origin)),
    origin=origin,
  )


def cameras_from_rows(rows: np.ndarray, where: str) -> Cameras:
  """Camera rows [T, 18] -> Cameras [T], float32.

  Raises:
    InputError: another shape, NaN, or a matrix that has no inverse.
  """
  return _checked(Cameras(*_matrices(rows, where)), where)


def clip_from_rows(
  rows: np.ndarray, where: str
) -> tuple[Cameras, tuple[float, float, float]]:
  """As cameras_from_rows, relative to the clip's origin; and that."""
  cameras, origin = origins.own(Cameras(*_matrices(rows, where)))
  x, y, z = origin.tolist()
  return _checked(cameras, where), (x, y, z)


def _checked(cameras: Cameras, where: str) -> Cameras:
  """Cameras [T] as float32; InputError unless they are pinholes."""
  found = cameras.extrinsics, cameras.intrinsics
  check_cameras(*found, where, names=("pose", "intrinsics"))
  return Cameras(*(x.astype(np.float32) for x in found))


def _matrices(rows: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
  """Float64 poses [T 4 4] and intrinsics [T 3 3] of rows [T 18]."""
  rows = np.asarray(rows)
  if rows.ndim != 2 or rows.shape[1] != ROW or rows.dtype.kind != "f":
    raise InputError(
      f"{where}: {rows.dtype} {rows.shape}, not float [frames, {ROW}]; fetch"
      " the data again"
    )
  bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
  if len(bad):
    raise InputError(
      f"{where}: frame {bad[0]}: the camera holds NaN or Inf; correct or"
      " remove this frame"
    )
  # float64: two roundings on the way would cost more than 1e-6 of a position.
  w2c = np.tile(np.eye(4), (len(rows), 1, 1))
  w2c[:, :3] = rows[:, 6:].astype(np.float64).reshape(len(rows), 3, 4)
  flat = np.flatnonzero(np.abs(np.linalg.det(w2c)) < 1e-6)
  if len(flat):
    raise InputError(
      f"{where}: frame {flat[0]}: the rotation has no inverse; correct or"
      " remove this frame"
    )
  intrinsics = np.tile(np.eye(3), (len(rows), 1, 1))
  intrinsics[:, 0, 0], intrinsics[:, 1, 1] = rows[:, 0], rows[:, 1]
  intrinsics[:, 0, 2], intrinsics[:, 1, 2] = rows[:, 2], rows[:, 3]
  with np.errstate(all="ignore"):
    return invert(w2c), intrinsics


def rows_from_cameras(cameras: Cameras) -> np.ndarray:
  """Cameras [T] -> rows float32 [T, 18]: inverse of cameras_from_rows."""
  rows = np.zeros((len(cameras.extrinsics), ROW), np.float32)
  rows[:, 0] = cameras.intrinsics[:, 0, 0]
  rows[:, 1] = cameras.intrinsics[:, 1, 1]
  rows[:, 2:4] = cameras.intrinsics[:, :2, 2]
  w2c = invert(np.asarray(cameras.extrinsics, np.float64))[:, :3]
  rows[:, 6:] = w2c.reshape(len(rows), 12)
  return rows


def unlisted(path: Path, listed: set[str]) -> Iterator[str]:
  """Keys of a chunk that its index does not name."""
  yield from (key for key in _cached_chunk(str(path)) if key not in listed)


@functools.lru_cache(maxsize=1)
def _cached_chunk(path: str) -> dict[str, list[Mapping[str, Any]]]:
  # Scenes of a chunk are read one after the other.
  return read_chunk(path)


def _bytes(image: LazyTensor) -> bytes:
  return image.read().tobytes()


def _tensor(scene: Mapping[str, Any], field: str, where: str) -> LazyTensor:
  value = scene.get(field)
  if not isinstance(value, LazyTensor):
    raise InputError(f"{where}: {field}: not a tensor; fetch the chunk again")
  return value


def _is_entry(entry: Any) -> bool:
  """A key, and the plain name of a chunk in the same folder."""
  if not isinstance(entry, tuple) or len(entry) != 2:
    return False
  name = entry[1]
  return isinstance(name, str) and name == Path(name).name and name != ".."
