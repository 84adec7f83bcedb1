"""Reading poses.json: world-to-camera matrices and pixel intrinsics.

  {"frames": [{"file": "images/0.jpg", "w2c": 4x4, "K": 3x3}, ...]}

OpenCV axes; K in pixels of the stored image, or of "w" x "h"; lenses as in
transforms.json. These and K may stand for all frames beside "frames". "c2w" may
stand for "w2c", and "index" (a frame of the only video in the folder) for
"file".
"""

from pathlib import Path

import numpy as np

from data_pipelines.sources.capture.frames import (
  Capture,
  PosedFrame,
  find_video,
)
from scenetok_jax.geometry.camera_checks import MAX_GIVEN, check_rigid
from scenetok_jax.geometry.cameras import invert
from scenetok_jax.geometry.lens_fields import read_lens
from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.geometry.transforms_json import (
  TransformsFrame,
  read_matrix,
  read_numbers,
  read_object,
)
from scenetok_jax.reading.image_search import ImageFinder
from scenetok_jax.types import InputError


def read(path: Path) -> Capture:
  """Frames of a poses.json in file order, or in the order of the video."""
  content = read_object(path)
  frames = content.get("frames")
  if not isinstance(frames, list) or not frames:
    raise InputError(f"{path}: frames: missing or empty; list the frames")
  poses = _poses(path, frames)
  finder = ImageFinder(path.parent)
  posed, numbers = [], set()
  for i, item in enumerate(frames):
    where = f"{path}: frames[{i}]"
    shared = TransformsFrame(where, {**content, **item})
    lens = read_lens(shared.fields, where)
    matrix = _matrix_k(item.get("K", content.get("K")), where)
    shot = Shot(where, poses[i], matrix, shared.size(), lens)
    name, index = item.get("file"), item.get("index")
    if isinstance(name, str) and name:
      image = finder.find(name, f"{where}.file")
      posed.append(PosedFrame(name, shot, image))
    elif isinstance(index, int) and index >= 0 and index not in numbers:
      numbers.add(index)
      posed.append(PosedFrame(str(index), shot, index=index))
    else:
      raise InputError(
        f"{where}: neither a `file` nor an `index` of its own; name the image"
      )
  if not numbers:
    return Capture(posed)
  if len(numbers) != len(posed):
    raise InputError(
      f"{path}: frames: some have `file`, some `index`; use one of the two"
    )
  posed.sort(key=lambda frame: frame.index)
  return Capture(posed, video=find_video(path.parent, f"{path}: frames.index"))


def _poses(path: Path, frames: list) -> np.ndarray:
  """Camera-to-world float64 [T, 4, 4]."""
  field = "c2w" if isinstance(frames[0], dict) and "c2w" in frames[0] else "w2c"
  poses = np.array(
    [
      read_matrix(item, field, f"{path}: frames[{i}]")
      for i, item in enumerate(frames)
    ]
  )
  check_rigid(poses, f"{path}: frames.{field}", MAX_GIVEN)
  return invert(poses) if field == "w2c" else poses


def _matrix_k(value: object, where: str) -> np.ndarray:
  matrix = read_numbers(value, f"{where}.K")
  good = matrix.shape == (3, 3) and np.isfinite(matrix).all()
  if not good or min(matrix[0, 0], matrix[1, 1]) <= 0:
    raise InputError(
      f"{where}.K: not a 3x3 matrix with positive focal lengths; correct it"
    )
  return matrix
