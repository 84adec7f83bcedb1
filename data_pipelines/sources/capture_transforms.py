"""Reading transforms.json of nerfstudio, instant-ngp and DL3DV.

transform_matrix is camera-to-world with OpenGL axes; fl_x, fl_y, cx, cy are
pixels of an image of w x h, which may be larger than the images stored.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.sources.capture_frames import (
  Capture,
  ImageFinder,
  PosedFrame,
  image_size,
  natural_key,
)
from scenetok_jax.geometry.cameras import check_rigid, from_opengl
from scenetok_jax.types import InputError

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def read(path: Path) -> Capture:
  """Frames of a transforms.json, ordered by file name."""
  document = read_json(path)
  frames = document.get("frames")
  if not isinstance(frames, list) or not frames:
    raise InputError(f"{path}: frames: missing or empty; list the frames")
  poses = [
    read_matrix(item, "transform_matrix", f"{path}: frames[{i}]")
    for i, item in enumerate(frames)
  ]
  check_rigid(np.array(poses), f"{path}: frames.transform_matrix")
  finder = ImageFinder(path.parent)
  posed = []
  for i, item in enumerate(frames):
    where = f"{path}: frames[{i}]"
    name = item.get("file_path")
    if not isinstance(name, str) or not name:
      raise InputError(f"{where}.file_path: missing; name the image")
    fields = {**document, **item}
    image = finder.find(name, f"{where}.file_path")
    intrinsics, size = pixel_intrinsics(fields, where, image)
    c2w = from_opengl(poses[i])
    posed.append(PosedFrame(name, where, c2w, intrinsics, size, image))
  posed.sort(key=lambda frame: natural_key(frame.name))
  return Capture(posed, warnings=distortion_note(document, frames))


def read_json(path: Path) -> dict[str, Any]:
  """A JSON object; InputError when the file is anything else."""
  try:
    document = json.loads(path.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(f"{path}: not readable as JSON ({error})") from None
  if not isinstance(document, dict):
    raise InputError(f"{path}: must be a JSON object with a list `frames`")
  return document


def read_matrix(item: Any, field: str, where: str) -> np.ndarray:
  """Pose [3 or 4, 4] of a frame -> float64 [4, 4]."""
  value = item.get(field) if isinstance(item, dict) else None
  try:
    matrix = np.array(value, np.float64)
  except (TypeError, ValueError):
    matrix = np.zeros(0)
  if matrix.shape == (3, 4):
    matrix = np.concatenate([matrix, [[0.0, 0.0, 0.0, 1.0]]])
  if matrix.shape != (4, 4):
    raise InputError(
      f"{where}.{field}: missing or not a 4x4 matrix; correct or remove this"
      " frame"
    )
  return matrix


def pixel_intrinsics(
  fields: dict[str, Any], where: str, image: Path
) -> tuple[np.ndarray, tuple[float, float]]:
  """Pixel K [3, 3] and the image size it is for; the image's own by default."""
  names = ["w", "h", "fl_x", "fl_y", "cx", "cy"]
  names += ["camera_angle_x", "camera_angle_y"]
  try:
    numbers = {n: float(fields[n]) for n in names if fields.get(n) is not None}
  except (TypeError, ValueError):
    raise InputError(
      f"{where}: one of {', '.join(names)} is not a number; correct it"
    ) from None
  if "w" not in numbers or "h" not in numbers:
    numbers["w"], numbers["h"] = image_size(image)
  width, height = numbers["w"], numbers["h"]
  focal_x = numbers.get("fl_x") or _focal(numbers, "camera_angle_x", width)
  focal_y = numbers.get("fl_y") or _focal(numbers, "camera_angle_y", height)
  focal_x, focal_y = focal_x or focal_y, focal_y or focal_x  # square pixels
  centre = numbers.get("cx", width / 2), numbers.get("cy", height / 2)
  values = (width, height, focal_x, focal_y, *centre)
  if not all(map(math.isfinite, values)) or min(values[:4]) <= 0:
    raise InputError(
      f"{where}: fl_x, fl_y, cx, cy, w, h: missing, not finite or not"
      " positive; give fl_x (pixels) or camera_angle_x (radians)"
    )
  matrix = np.array(
    [[focal_x, 0, centre[0]], [0, focal_y, centre[1]], [0, 0, 1]]
  )
  return matrix, (width, height)


def _focal(numbers: dict[str, float], field: str, side: float) -> float:
  angle = numbers.get(field, 0.0)
  return side / (2 * math.tan(angle / 2)) if 0 < angle < math.pi else 0.0


def distortion_note(document: dict, frames: list[dict]) -> tuple[str, ...]:
  """A note when lens distortion is given: it is ignored, as in the release."""
  given = sorted(
    {n for item in (document, *frames) for n in _DISTORTION if item.get(n)}
  )
  if not given:
    return ()
  return (
    f"lens distortion ({', '.join(given)}) is ignored; undistort the images"
    " first if the lens is not straight",
  )
