"""camera_path.json, which both generations of nerfstudio's viewer export.

`camera_path` holds camera-to-world matrices with OpenGL axes, row after row,
and vertical fields of view in degrees; render_width and render_height, or each
camera's aspect, give the shape of the image. Both keep what was clicked in
`keyframes`, in other units: that is not read.
"""

import math
from typing import Any

from scenetok_jax.geometry.transforms_json import TransformsFrame, read_numbers
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

_SIDE = 10_000  # of an image of which only the aspect is told
_EXPORT = "export the path from the viewer again"


def is_camera_path(content: dict[str, Any]) -> bool:
  """Whether a JSON object is such a file."""
  return "camera_path" in content or "keyframes" in content


def frames_of(content: dict[str, Any], name: str) -> list[TransformsFrame]:
  """The cameras of a file that was read; name: of the file, for messages."""
  kind = content.get("camera_type", "perspective")
  if kind != "perspective":
    raise InputError(
      f"{name}: camera_type: {shown(kind)} is no pinhole; export a path of"
      " perspective cameras"
    )
  cameras = content.get("camera_path")
  if not isinstance(cameras, list) or not cameras:
    raise InputError(f"{name}: camera_path: missing or empty; {_EXPORT}")
  return [
    _frame(content, camera, f"{name}: camera_path[{i}]")
    for i, camera in enumerate(cameras)
  ]


def _frame(content: dict[str, Any], camera: Any, where: str) -> TransformsFrame:
  if not isinstance(camera, dict):
    raise InputError(f"{where}: {shown(camera)} is no object; {_EXPORT}")
  width, height = content.get("render_width"), content.get("render_height")
  if not width or not height:
    aspect, height = camera.get("aspect"), _SIDE
    width = aspect * _SIDE if isinstance(aspect, int | float) else aspect
  fov = camera.get("fov")
  fov = content.get("default_fov") if fov is None else fov
  fields = {
    "transform_matrix": _matrix(camera.get("camera_to_world"), where),
    "camera_angle_y": _radians(fov, where),
    "w": width,
    "h": height,
  }
  return TransformsFrame(where, fields)


def _matrix(value: Any, where: str) -> Any:
  """Sixteen numbers in a row, also as text, or the rows of a matrix -> rows."""
  where = f"{where}.camera_to_world"
  if value is None:
    raise InputError(f"{where}: missing; {_EXPORT}")
  if isinstance(value, str):
    value = parse(value.encode("utf-8", "replace"), where, _EXPORT, root=list)
  numbers = read_numbers(value, where)
  return numbers.reshape(4, 4) if numbers.shape == (16,) else numbers


def _radians(fov: Any, where: str) -> float:
  try:
    degrees = math.nan if isinstance(fov, bool) else float(fov)
  except (TypeError, ValueError):
    degrees = math.nan
  if not 0 < degrees < 180:
    raise InputError(
      f"{where}.fov: {shown(fov)} is not a vertical field of view between 0 and"
      f" 180 degrees; {_EXPORT}"
    )
  return math.radians(degrees)
