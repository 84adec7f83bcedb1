"""Cameras in JSON files: nerfstudio's transforms.json and our own layout."""

import json
import math
import os
from typing import Any

import numpy as np

from scenetok_jax.geometry.cameras import check_rigid, from_opengl
from scenetok_jax.types import Cameras, InputError

Path = str | os.PathLike[str]


def from_json(path: Path) -> Cameras:
  """Reads posed cameras (NumPy, float32, [T 4 4] and [T 3 3]).

  Two layouts are understood:
    {"frames": [{"transform_matrix": 4x4, ...}], "w", "h", "fl_x", "fl_y",
      "cx", "cy"}: OpenGL axes, intrinsics in pixels (nerfstudio,
      instant-ngp). Intrinsics may stand in a frame instead;
      "camera_angle_x" (radians) may replace "fl_x".
    {"extrinsics": [4x4, ...], "intrinsics": [3x3, ...] or one 3x3}: OpenCV
      axes, intrinsics normalised by the image size (`to_json` writes it).

  Raises:
    InputError: naming the file, the field and the remedy.
  """
  name = os.fspath(path)
  content = _load(name)
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

  The layouts are those of from_json, without their intrinsics. A frame that
  was not placed is null, or a matrix with a null or NaN in it.

  Raises:
    InputError: naming the file, the field and the remedy.
  """
  name = os.fspath(path)
  content = _load(name)
  if "extrinsics" in content:
    poses, field = content["extrinsics"], "extrinsics"
  elif isinstance(content.get("frames"), list):
    poses, field = _transform_matrices(content["frames"]), "transform_matrix"
  else:
    raise InputError(
      f'{name}: neither "frames" nor "extrinsics" found; give'
      ' {"extrinsics": [4x4 or null, ...]}, one for each frame'
    )
  if isinstance(poses, list):
    lost = np.full((4, 4), np.nan).tolist()
    poses = [lost if pose is None else pose for pose in poses]
  found = _matrices(poses, f"{name}: {field}", 4)
  placed = np.isfinite(found).all(axis=(1, 2))
  if field == "transform_matrix":
    found = from_opengl(found)
  # Whole, so that a message names the frame by its own number.
  check_rigid(
    np.where(placed[:, None, None], found, np.eye(4)), f"{name}: {field}"
  )
  return np.where(placed[:, None, None], found, np.float32(np.nan))


def _transform_matrices(frames: list[Any]) -> list[Any]:
  """nerfstudio's poses, None for a frame that has none."""
  return [
    frame.get("transform_matrix") if isinstance(frame, dict) else None
    for frame in frames
  ]


def to_json(cameras: Cameras, path: Path) -> None:
  """Writes cameras [T 4 4], [T 3 3] in our own layout; exact in float32."""
  content = {
    "extrinsics": np.asarray(cameras.extrinsics, np.float64).tolist(),
    "intrinsics": np.asarray(cameras.intrinsics, np.float64).tolist(),
  }
  with open(path, "w", encoding="utf-8") as file:
    json.dump(content, file)


def _load(name: str) -> dict[str, Any]:
  """The JSON object in a file."""
  try:
    with open(name, encoding="utf-8") as file:
      content = json.load(file)
  except OSError as error:
    raise InputError(
      f"{name}: cannot be read ({error.strerror}); give the path of a JSON file"
    ) from error
  except ValueError as error:
    raise InputError(
      f"{name}: not valid JSON ({error}); write the file again"
    ) from error
  if not isinstance(content, dict):
    raise InputError(
      f"{name}: holds a {type(content).__name__}, not an object; wrap the"
      ' poses as {"extrinsics": [...], "intrinsics": [...]}'
    )
  return content


def _matrices(value: Any, where: str, size: int) -> np.ndarray:
  """A list of square matrices as float32 [T, size, size]."""
  try:
    array = np.asarray(value, np.float32)
  except (TypeError, ValueError) as error:
    raise InputError(
      f"{where}: not a list of {size}x{size} number matrices; write every"
      f" matrix as {size} rows of {size} numbers"
    ) from error
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
  single = isinstance(value, list) and _is_matrix(value)
  intrinsics = _matrices([value] if single else value, f"{name}: intrinsics", 3)
  if len(intrinsics) == 1:
    intrinsics = np.repeat(intrinsics, len(extrinsics), axis=0)
  if len(intrinsics) != len(extrinsics):
    raise InputError(
      f"{name}: intrinsics: {len(intrinsics)} matrices for"
      f" {len(extrinsics)} poses; give one, or one per pose"
    )
  check_intrinsics(intrinsics, f"{name}: intrinsics")
  return Cameras(extrinsics, intrinsics)


def _is_matrix(rows: list[Any]) -> bool:
  """Whether a list holds rows of numbers rather than matrices."""
  return all(
    isinstance(row, list) and not any(isinstance(x, list) for x in row)
    for row in rows
  )


def check_intrinsics(intrinsics: np.ndarray, where: str) -> None:
  """Raises InputError on intrinsics [T, 3, 3] that are not normalised."""
  for index, matrix in enumerate(np.asarray(intrinsics, np.float64)):
    if not np.isfinite(matrix).all():
      raise InputError(
        f"{where}: frame {index}: holds NaN or Inf; correct this matrix"
      )
    if min(matrix[0, 0], matrix[1, 1]) <= 0:
      raise InputError(
        f"{where}: frame {index}: focal lengths {matrix[0, 0]:g} and"
        f" {matrix[1, 1]:g} must be positive; correct this matrix"
      )
    if max(matrix[0, 2], matrix[1, 2]) > 2:
      raise InputError(
        f"{where}: frame {index}: principal point ({matrix[0, 2]:g},"
        f" {matrix[1, 2]:g}) looks like pixels; divide the first row by the"
        " image width and the second by its height"
      )


def _read_transforms(content: dict[str, Any], name: str) -> Cameras:
  """nerfstudio's layout: OpenGL poses and intrinsics in pixels."""
  frames = content["frames"]
  if not isinstance(frames, list) or not frames:
    raise InputError(f"{name}: frames: empty or not a list; list the frames")
  poses, intrinsics = [], []
  for index, frame in enumerate(frames):
    where = f"{name}: frames[{index}]"
    if not isinstance(frame, dict) or "transform_matrix" not in frame:
      raise InputError(
        f"{where}: transform_matrix: missing; add the 4x4 camera-to-world"
        " matrix"
      )
    where_pose = f"{where}.transform_matrix"
    poses.append(_matrices([frame["transform_matrix"]], where_pose, 4)[0])
    intrinsics.append(_pixel_intrinsics({**content, **frame}, where))
  extrinsics = from_opengl(np.stack(poses))
  check_rigid(extrinsics, f"{name}: transform_matrix")
  return Cameras(extrinsics, np.stack(intrinsics))


def _pixel_intrinsics(fields: dict[str, Any], where: str) -> np.ndarray:
  """Normalised intrinsics [3, 3] float32 from nerfstudio's pixel fields."""
  width = _number(fields, "w", where)
  height = _number(fields, "h", where)
  if "fl_x" not in fields and "camera_angle_x" in fields:
    angle = _number(fields, "camera_angle_x", where)
    fields = {**fields, "fl_x": 0.5 * width / math.tan(0.5 * angle)}
  focal_x = _number(fields, "fl_x", where)
  focal_y = _number({"fl_y": focal_x, **fields}, "fl_y", where)
  centre_x = _number({"cx": width / 2, **fields}, "cx", where)
  centre_y = _number({"cy": height / 2, **fields}, "cy", where)
  return np.array(
    [
      [focal_x / width, 0, centre_x / width],
      [0, focal_y / height, centre_y / height],
      [0, 0, 1],
    ],
    np.float32,
  )


def _number(fields: dict[str, Any], field: str, where: str) -> float:
  """A positive finite number; the file or the frame may hold it."""
  value = fields.get(field)
  if value is None:
    raise InputError(
      f"{where}: {field}: missing; add it to the frame or to the file"
    )
  is_number = isinstance(value, int | float) and not isinstance(value, bool)
  if not is_number or not math.isfinite(value) or value <= 0:
    raise InputError(
      f"{where}: {field}: {value!r} is not a positive number; correct it"
    )
  return float(value)
