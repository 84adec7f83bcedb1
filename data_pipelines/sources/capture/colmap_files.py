"""COLMAP's cameras and registered images, of text and binary files.

The points are not read. A count in a file is believed only as far as the file
goes; COLMAP's own library would take its word for the memory.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import IO, Any, NamedTuple

import numpy as np

from scenetok_jax.reading.files import open_file
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import explained

SUFFIXES = (".bin", ".txt")  # COLMAP prefers the first
_MAX_LINE = 64 << 20  # bytes; a line lists all points of an image
_MAX_NAME = 4096  # bytes
_MAX_SIDE = 1 << 16  # pixels
_POINT = 24  # bytes: x, y, number


class Model(NamedTuple):
  """focals: 1 or 2, the first parameters; the centre follows. total: of all."""

  name: str
  focals: int
  total: int


# Binary files say their place here.
MODELS = (
  Model("SIMPLE_PINHOLE", 1, 3),
  Model("PINHOLE", 2, 4),
  Model("SIMPLE_RADIAL", 1, 4),
  Model("RADIAL", 1, 5),
  Model("OPENCV", 2, 8),
  Model("OPENCV_FISHEYE", 2, 8),
  Model("FULL_OPENCV", 2, 12),
  Model("FOV", 2, 5),
  Model("SIMPLE_RADIAL_FISHEYE", 1, 4),
  Model("RADIAL_FISHEYE", 1, 5),
  Model("THIN_PRISM_FISHEYE", 2, 12),
  Model("RAD_TAN_THIN_PRISM_FISHEYE", 2, 16),
  Model("SIMPLE_DIVISION", 1, 4),
  Model("DIVISION", 2, 5),
  Model("SIMPLE_FISHEYE", 1, 3),
  Model("FISHEYE", 2, 4),
  Model("EUCM", 2, 6),
)
_BY_NAME = {model.name: model for model in MODELS}


class Camera(NamedTuple):
  """width, height: pixels. params: as many as the model has, in pixels."""

  model: Model
  width: int
  height: int
  params: tuple[float, ...]

  def calibration_matrix(self) -> np.ndarray:
    """[3 3] in pixels, without distortion."""
    focals = self.model.focals
    x, y = self.params[focals : focals + 2]
    rows = [[self.params[0], 0, x], [0, self.params[focals - 1], y], [0, 0, 1]]
    return np.array(rows, np.float64)


class Image(NamedTuple):
  """w2c: float64 [4 4]."""

  name: str
  w2c: np.ndarray
  camera: Camera


def model_suffix(folder: Path) -> str | None:
  """Of the files of a model; None where a folder holds none."""
  for suffix in SUFFIXES:
    files = [folder / f"{name}{suffix}" for name in ("cameras", "images")]
    if all(file.is_file() for file in files):
      return suffix
  return None


def read_model(folder: Path) -> list[Image]:
  """The images of a model; InputError that names the file that is damaged."""
  suffix = model_suffix(folder) or SUFFIXES[0]
  read_cameras, read_images = _READERS[suffix]
  cameras: dict[int, Camera] = {}
  with _opened(folder / f"cameras{suffix}") as file:
    for lens in read_cameras(file):
      cameras[lens.number] = _camera(lens)
  with _opened(folder / f"images{suffix}") as file:
    return [_image(shot, cameras) for shot in read_images(file)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
  """A file of a model; InputError for what its reader raises."""
  kinds = (OSError, ValueError)
  with (
    explained(f"{path}: COLMAP model: unreadable", "export it again", *kinds),
    open_file(path) as file,
  ):
    yield file


class _Lens(NamedTuple):
  """A camera as a file lists it; model: None for an unknown one."""

  number: int
  model: Model | None
  width: int
  height: int
  params: Sequence[float]


class _Shot(NamedTuple):
  """An image as a file lists it. turn: quaternion w x y z, of any length."""

  name: str
  turn: Sequence[float]
  shift: Sequence[float]
  camera: int


def _camera(lens: _Lens) -> Camera:
  """ValueError unless the numbers are of a camera."""
  _, model, width, height, params = lens
  if model is None:
    raise ValueError("a lens of unknown model; run colmap image_undistorter")
  if not all(1 <= side <= _MAX_SIDE for side in (width, height)):
    raise ValueError(f"a camera of {width}x{height} pixels")
  if len(params) != model.total or not all(map(math.isfinite, params)):
    raise ValueError(f"not {model.total} numbers of a {model.name} camera")
  return Camera(model, width, height, tuple(params))


def _image(shot: _Shot, cameras: Mapping[int, Camera]) -> Image:
  """ValueError unless the numbers are of a pose and a camera that is there."""
  name, turn, shift, number = shot
  if len(name) > _MAX_NAME:
    raise ValueError(f"image {shown(name)}: too long a name")
  if number not in cameras:
    raise ValueError(f"image {shown(name)}: there is no camera {number}")
  length = math.hypot(*turn)
  if not 1e-3 <= length <= 1e3 or not all(map(math.isfinite, shift)):
    raise ValueError(f"image {shown(name)}: its pose is no pose")
  w, x, y, z = (part / length for part in turn)
  w2c = np.eye(4)
  w2c[:3, :3] = [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ]
  w2c[:3, 3] = shift
  return Image(name, w2c, cameras[number])


def _binary_cameras(file: IO[bytes]) -> Iterator[_Lens]:
  for _ in range(*_take(file, "Q")):
    number, place, width, height = _take(file, "iiQQ")
    model = MODELS[place] if 0 <= place < len(MODELS) else None
    # Those after a camera of unknown length cannot be found.
    params = _take(file, f"{model.total if model else 0}d")
    yield _Lens(number, model, width, height, params)


def _binary_images(file: IO[bytes]) -> Iterator[_Shot]:
  size = os.fstat(file.fileno()).st_size
  for _ in range(*_take(file, "Q")):
    _, *pose, number = _take(file, "I7dI")
    name = b""
    while (byte := file.read(1)) != b"\0" and len(name) <= _MAX_NAME:
      name += byte
      if not byte:
        raise ValueError("a name without end")
    (points,) = _take(file, "Q")
    end = file.tell() + points * _POINT
    if end > size:
      raise ValueError(f"{points} points of an image: cut short")
    file.seek(end)
    yield _Shot(_text(name), pose[:4], pose[4:], number)


def _take(file: IO[bytes], form: str) -> tuple[Any, ...]:
  layout = Struct(f"<{form}")
  data = file.read(layout.size)
  if len(data) < layout.size:
    raise ValueError("cut short")
  return layout.unpack(data)


def _text_cameras(file: IO[bytes]) -> Iterator[_Lens]:
  for line in _lines(file):
    words = line.split()
    if not words or words[0].startswith("#"):
      continue
    if len(words) < 4:
      raise ValueError(f"{shown(line)} is no camera")
    number, name, width, height, *params = words
    model, numbers = _BY_NAME.get(name), [*map(float, params)]
    yield _Lens(int(number), model, int(width), int(height), numbers)


def _text_images(file: IO[bytes]) -> Iterator[_Shot]:
  lines = _lines(file)
  for line in lines:
    words = line.split(maxsplit=9)
    if not words or words[0].startswith("#"):
      continue
    if len(words) < 10:
      raise ValueError(f"{shown(line)} is no image")
    pose = [*map(float, words[1:8])]
    name = words[9].rstrip("\r\n")
    yield _Shot(name, pose[:4], pose[4:], int(words[8]))
    next(lines, None)  # its points


def _lines(file: IO[bytes]) -> Iterator[str]:
  while line := file.readline(_MAX_LINE + 1):
    if len(line) > _MAX_LINE:
      raise ValueError(f"a line of more than {_MAX_LINE:,} bytes")
    yield _text(line)


def _text(data: bytes) -> str:
  return data.decode("utf-8", "surrogateescape")


_Readers = tuple[
  Callable[[IO[bytes]], Iterator[_Lens]], Callable[[IO[bytes]], Iterator[_Shot]]
]
_READERS: dict[str, _Readers] = {
  ".bin": (_binary_cameras, _binary_images),
  ".txt": (_text_cameras, _text_images),
}
