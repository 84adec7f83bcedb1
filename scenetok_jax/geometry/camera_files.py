"""Cameras in JSON files: nerfstudio's transforms.json and our own layout."""

import os
from typing import Any

import numpy as np

from scenetok_jax.geometry import cameras, transforms_json
from scenetok_jax.geometry.camera_checks import check_cameras, check_rigid
from scenetok_jax.types import Cameras, InputError

Path = str | os.PathLike[str]


def from_json(path: Path) -> Cameras:
  """Reads posed cameras (NumPy, float32, [T 4 4] and [T 3 3]).

  Two layouts are understood:
    {"frames": [{"transform_matrix": 4x4, ...}], "w", "h", "fl_x", "fl_y",
      "cx", "cy"}: OpenGL axes, intrinsics in pixels (nerfstudio,
      instant-ngp); see transforms_json.
    {"extrinsics": [4x4, ...], "intrinsics": [3x3, ...] or one 3x3}: OpenCV
      axes, intrinsics normalised by the image size.

  InputError names the file, the field and the remedy.
  """
  name = os.fspath(path)
  content = transforms_json.read_object(name)
  if "frames" in content:
    return _read_transforms(content, name)
  if "extrinsics" in content:
    return _read_native(content, name)
  raise InputError(
    f'{name}: neither "frames" nor "extrinsics" found; give a nerfstudio'
    ' transforms.json, or {"extrinsics": [...], "intrinsics": [...]}'
  )


def estimates_from_json(path: Path) -> np.ndarray:
  """Poses that an estimator found, float32 [T 4 4]; NaN where it found none.

  The layouts are those of from_json, without their intrinsics. A frame that was
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
  check_rigid(found, f"{name}: {field}")
  found[lost] = np.nan
  return found.astype(np.float32)


def _matrices(value: Any, where: str, size: int) -> np.ndarray:
  """A list of square matrices as float64 [T, size, size]."""
  array = transforms_json.read_numbers(value, where)
  if array.ndim != 3 or array.shape[1:] != (size, size) or not len(array):
    raise InputError(
      f"{where}: shape {array.shape}, not [frames, {size}, {size}]; write one"
      f" {size}x{size} matrix per frame"
    )
  return array


def _read_native(content: dict[str, Any], name: str) -> Cameras:
  """Our layout: OpenCV poses and normalised intrinsics."""
  extrinsics = _matrices(content["extrinsics"], f"{name}: extrinsics", 4)
  check_rigid(extrinsics, f"{name}: extrinsics")
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
  return _checked(extrinsics, intrinsics, name)


def _read_transforms(content: dict[str, Any], name: str) -> Cameras:
  """nerfstudio's layout: OpenGL poses and intrinsics in pixels."""
  poses, intrinsics, sizes = [], [], []
  for frame in transforms_json.frames_of(content, name):
    poses.append(frame.pose())
    matrix, (width, height) = frame.intrinsics()
    intrinsics.append(matrix / np.array([width, height, 1.0])[:, None])
    sizes.append((height, width))
  names = "transform_matrix", "intrinsics"
  return _checked(
    np.array(poses), np.array(intrinsics), name, names=names, size=sizes
  )


def _checked(
  extrinsics: np.ndarray, intrinsics: np.ndarray, where: str, **more: Any
) -> Cameras:
  """float64 -> float32, which numbers of any size would not survive."""
  check_cameras(extrinsics, intrinsics, where, **more)
  return Cameras(extrinsics.astype(np.float32), intrinsics.astype(np.float32))
