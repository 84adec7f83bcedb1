"""Cameras in JSON files: nerfstudio's layouts and our own."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from scenetok_jax.geometry import (
  camera_path_json,
  cameras,
  dataparser_frame,
  origins,
  transforms_json,
)
from scenetok_jax.geometry.camera_checks import (
  MAX_GIVEN,
  check_intrinsics,
  check_rigid,
)
from scenetok_jax.geometry.lens_fields import read_lens
from scenetok_jax.geometry.posed_pictures import Shot, pinhole
from scenetok_jax.geometry.transforms_json import TransformsFrame
from scenetok_jax.reading.image_search import ImageFinder
from scenetok_jax.reading.pictures import read_header
from scenetok_jax.types import Cameras, InputError, explained

Path = str | os.PathLike[str]

_SQUARE = 1.2  # focal lengths in shares that differ by less are of a square
_SIDE = 1e4  # of a picture whose size is not told: fine enough to crop


@dataclasses.dataclass(frozen=True)
class PosedFile:
  """What a file of cameras holds, in the file's own coordinates.

  extrinsics: float64 [T 4 4]. intrinsics: float64 [T 3 3], in shares of the
  sides of straight pictures. sides: (height, width) of these, [T 2] float64;
  only their shape counts. shots: the cameras as they are for pictures that
  were taken with them, where the file has pixels. notes: what should be told.
  """

  extrinsics: np.ndarray
  intrinsics: np.ndarray
  sides: np.ndarray
  shots: tuple[Shot, ...] = ()
  notes: tuple[str, ...] = ()

  def cameras(self, origin: np.ndarray) -> Cameras:
    """NumPy float32 cameras whose positions are relative to origin [3]."""
    poses = origins.moved(self.extrinsics, origin)
    return Cameras(poses.astype(np.float32), self.intrinsics.astype(np.float32))


def from_json(path: Path, origin: np.ndarray | None = None) -> Cameras:
  """Reads posed cameras (NumPy, float32, [T 4 4] and [T 3 3]).

  The layouts are those of read_file. origin: float64 [3] that positions are
  made relative to; None: what origins.clip_origin finds.
  InputError names the file, the field and the remedy.
  """
  found = read_file(path)
  if origin is None:
    origin = origins.clip_origin(found.extrinsics)
  check_rigid(origins.moved(found.extrinsics, origin), os.fspath(path))
  return found.cameras(origin)


def read_file(path: Path) -> PosedFile:
  """Reads posed cameras in one of three layouts.

    {"frames": [{"transform_matrix": 4x4, ...}], "w", "h", "fl_x", "fl_y",
      "cx", "cy"}: OpenGL axes, intrinsics in pixels (nerfstudio,
      instant-ngp, Blender); see transforms_json. Lenses are made straight.
      Without w and h those of the images count, which lie beside the file.
    {"camera_path": [...]}: nerfstudio's viewer; see camera_path_json. They are
      brought to the capture's frame where dataparser_frame finds how.
    {"extrinsics": [4x4, ...], "intrinsics": [3x3, ...] or one 3x3}: OpenCV
      axes, intrinsics normalised by the image size. Pixels are square: focal
      lengths that differ by more than a fifth are of an oblong picture.

  InputError names the file, the field and the remedy.
  """
  name = os.fspath(path)
  content = transforms_json.read_object(name)
  if camera_path_json.is_camera_path(content):
    frames = camera_path_json.frames_of(content, name)
    return _in_capture(_read_frames(frames, name), name)
  if "frames" in content:
    found = _read_frames(transforms_json.frames_of(content, name), name)
    notes = dataparser_frame.not_applied(pathlib.Path(name))
    return dataclasses.replace(found, notes=notes)
  if "extrinsics" in content:
    return _read_native(content, name)
  raise InputError(
    f'{name}: neither "frames" nor "extrinsics" found; give a nerfstudio'
    ' transforms.json or camera_path.json, or {"extrinsics": [...],'
    ' "intrinsics": [...]}'
  )


def estimates_from_json(path: Path) -> np.ndarray:
  """Poses that an estimator found, float32 [T 4 4]; NaN where it found none.

  The layouts are those of read_file, without their intrinsics; positions that
  are far out are relative to the first. A frame that was
  not placed is null, or a matrix with a null or NaN in it. InputError names the
  file, the field and the remedy.
  """
  name = os.fspath(path)
  content = transforms_json.read_object(name)
  poses, field = content.get("extrinsics"), "extrinsics"
  if field not in content and isinstance(content.get("frames"), list):
    field = "transform_matrix"
    poses = [
      frame.get(field) if isinstance(frame, dict) else None
      for frame in content["frames"]
    ]
  elif field not in content:
    raise InputError(
      f'{name}: neither "frames" nor "extrinsics" found; give'
      ' {"extrinsics": [4x4 or null, ...]}, one for each frame'
    )
  if isinstance(poses, list):
    lost = np.full((4, 4), np.nan)
    poses = [lost if pose is None else pose for pose in poses]
  found = _matrices(poses, f"{name}: {field}", 4)
  if field == "transform_matrix":
    found = cameras.from_opengl(found)
  lost = ~np.isfinite(found).all(axis=(1, 2))
  # Whole, so that a message names the frame by its own number.
  found[lost] = np.eye(4)
  check_rigid(found, f"{name}: {field}", MAX_GIVEN)
  found[lost] = np.nan
  return origins.moved(found, origins.clip_origin(found)).astype(np.float32)


def _matrices(value: Any, where: str, size: int) -> np.ndarray:
  """A list of square matrices as float64 [T, size, size]."""
  array = transforms_json.read_numbers(value, where)
  if array.ndim != 3 or array.shape[1:] != (size, size) or not len(array):
    raise InputError(
      f"{where}: shape {array.shape}, not [frames, {size}, {size}]; write one"
      f" {size}x{size} matrix per frame"
    )
  return array


def _read_native(content: dict[str, Any], name: str) -> PosedFile:
  """Our layout: OpenCV poses and normalised intrinsics."""
  if read_lens(content, name).bends:
    raise InputError(
      f"{name}: camera_model: normalised intrinsics are of pinholes; give"
      " frames in pixels, or leave the lens out"
    )
  extrinsics = _matrices(content["extrinsics"], f"{name}: extrinsics", 4)
  check_rigid(extrinsics, f"{name}: extrinsics", MAX_GIVEN)
  value = content.get("intrinsics")
  if value is None:
    raise InputError(
      f"{name}: intrinsics: missing; add one normalised 3x3 matrix, or one"
      " per frame"
    )
  value = transforms_json.read_numbers(value, f"{name}: intrinsics")
  if value.ndim == 2:
    value = value[None]
  intrinsics = _matrices(value, f"{name}: intrinsics", 3)
  if len(intrinsics) == 1:
    intrinsics = np.repeat(intrinsics, len(extrinsics), axis=0)
  if len(intrinsics) != len(extrinsics):
    raise InputError(
      f"{name}: intrinsics: {len(intrinsics)} matrices for"
      f" {len(extrinsics)} poses; give one, or one per pose"
    )
  check_intrinsics(intrinsics, f"{name}: intrinsics")
  shape = intrinsics[:, 1, 1] / intrinsics[:, 0, 0]  # width over height
  oblong = np.abs(np.log(shape)) > np.log(_SQUARE)
  width = np.where(oblong, shape, 1.0) * _SIDE
  sides = np.stack([np.full(len(shape), _SIDE), width], axis=-1)
  return PosedFile(extrinsics, intrinsics, sides)


def _in_capture(file: PosedFile, name: str) -> PosedFile:
  """A path of nerfstudio's viewer in the frame of its capture."""
  poses, note = dataparser_frame.returned(file.extrinsics, pathlib.Path(name))
  shots = (
    dataclasses.replace(shot, c2w=pose)
    for shot, pose in zip(file.shots, poses, strict=True)
  )
  return dataclasses.replace(
    file, extrinsics=poses, shots=tuple(shots), notes=(note,)
  )


def _read_frames(frames: list[TransformsFrame], name: str) -> PosedFile:
  """nerfstudio's layouts: OpenGL poses and intrinsics in pixels."""
  finder = functools.cache(lambda: ImageFinder(pathlib.Path(name).parent))
  shots = [_sized(frame, finder).shot() for frame in frames]
  poses = np.array([shot.c2w for shot in shots])
  check_rigid(poses, f"{name}: transform_matrix", MAX_GIVEN)
  seen = [pinhole(shot) for shot in shots]
  intrinsics = np.array([matrix for matrix, _ in seen])
  sides = np.array([size[::-1] for _, size in seen], np.float64)
  check_intrinsics(intrinsics, f"{name}: intrinsics", sides)
  return PosedFile(poses, intrinsics, sides, tuple(shots))


def _sized(
  frame: TransformsFrame, finder: Callable[[], ImageFinder]
) -> TransformsFrame:
  """A frame with w and h, if need be of the image that it names."""
  fields = frame.fields
  if fields.get("w") is not None and fields.get("h") is not None:
    return frame
  named = isinstance(fields.get("file_path"), str)
  path = finder().look(frame.name(), frame.where) if named else None
  if path is None:
    raise InputError(
      f"{frame.where}: w: missing; add w and h to the file, or put its images"
      " beside it"
    )
  problem = f"{path}: cannot be read"
  with explained(problem, "replace it", Exception):
    width, height = read_header(path).shown
  return dataclasses.replace(frame, fields={**fields, "w": width, "h": height})
