"""transforms.json of nerfstudio, instant-ngp and DL3DV: the only reader.

`frames` holds camera-to-world matrices with OpenGL axes; w, h, fl_x, fl_y,
cx, cy are pixels and stand in the file or in a frame.
"""

import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.geometry.lens_fields import read_lens
from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.pictures import Header
from scenetok_jax.types import InputError, explained

_SAME = {
  "fl_x": "camera_angle_x", "camera_angle_x": "fl_x",
  "fl_y": "camera_angle_y", "camera_angle_y": "fl_y",
}  # fmt: skip
_ANGLE_TOLERANCE = 0.02  # between a focal length and an angle of view


@dataclasses.dataclass(frozen=True)
class TransformsFrame:
  """One entry of `frames`, read field by field as it is asked for.

  where: "FILE: frames[i]" for messages. fields: the entry's own, and those of
  the file where it has none.
  """

  where: str
  fields: dict[str, Any]

  def name(self) -> str:
    """file_path, which names the image."""
    name = self.fields.get("file_path")
    if not isinstance(name, str) or not name:
      raise InputError(f"{self.where}.file_path: missing; name the image")
    return name

  def pose(self) -> np.ndarray:
    """Camera-to-world float64 [4, 4], OpenCV axes; [3, 4] is completed."""
    return from_opengl(read_matrix(self.fields, "transform_matrix", self.where))

  def shot(self, header: Callable[[], Header] | None = None) -> Shot:
    """The camera, lens included; header: of its image, if there is one."""
    size = None if header is None else lambda: header().shown
    matrix, assumed = self.intrinsics(size)
    lens = read_lens(self.fields, self.where)
    sides = assumed if header is None else self.size()
    return Shot(self.where, self.pose(), matrix, sides, lens)

  def size(self) -> tuple[float, float] | None:
    """w and h, of the pixels that focal lengths are in; None without both."""
    width, height = self._number("w"), self._number("h")
    return (width, height) if width and height else None

  def intrinsics(
    self, image_size: Callable[[], tuple[float, float]] | None = None
  ) -> tuple[np.ndarray, tuple[float, float]]:
    """Pixel K float64 [3, 3], and the (width, height) that it is for.

    An angle of view may stand for a focal length, and one focal length for
    both; the principal point is the middle unless it is given.

    image_size: gives (width, height) where the file has no w and h.
    """
    size = self.size()
    if size is None and image_size is None:
      lacking = "h" if self._number("w") else "w"
      raise InputError(
        f"{self.where}: {lacking}: missing; add it to the frame or to the file"
      )
    width, height = size or image_size()  # type: ignore[misc]
    focal_x = self._focal("fl_x", "camera_angle_x", width)
    focal_y = self._focal("fl_y", "camera_angle_y", height)
    focal_x, focal_y = focal_x or focal_y, focal_y or focal_x  # square pixels
    if not focal_x or not focal_y:
      raise InputError(
        f"{self.where}: fl_x: missing; give fl_x (pixels) or camera_angle_x"
        " (radians)"
      )
    centre_x = self._number("cx", positive=False)
    centre_y = self._number("cy", positive=False)
    matrix = np.array([
      [focal_x, 0, width / 2 if centre_x is None else centre_x],
      [0, focal_y, height / 2 if centre_y is None else centre_y],
      [0, 0, 1],
    ])  # fmt: skip
    return matrix, (width, height)

  def _focal(self, field: str, angle_field: str, side: float) -> float | None:
    """Pixels, by a focal length or an angle; the two may not contradict."""
    given = None if self.fields.get(field) == 0 else self._number(field)
    angle = self._number(angle_field, positive=False) or None
    if angle is None:
      return given
    if not 0 < angle < math.pi:
      raise InputError(
        f"{self.where}: {angle_field}: {angle:g} is no angle of view in radians"
        " (0 to 3.14); convert degrees, or remove it"
      )
    found = side / (2 * math.tan(angle / 2))
    if given is None or abs(given / found - 1) <= _ANGLE_TOLERANCE:
      return given or found
    seen = 2 * math.degrees(math.atan(side / 2 / given))
    raise InputError(
      f"{self.where}: {field} {given:g} sees {seen:.1f} degrees of"
      f" {side:g} pixels, {angle_field} is {math.degrees(angle):.1f} degrees;"
      " give w and h of the pixels that it is in, or remove the wrong one"
    )

  def _number(self, field: str, positive: bool = True) -> float | None:
    value = self.fields.get(field)
    if value is None:
      return None
    try:
      number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
      number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
      kind = "a positive" if positive else "a finite"
      raise InputError(
        f"{self.where}: {field}: {value!r} is not {kind} number; correct it"
      )
    return number


def read_transforms(path: str | os.PathLike) -> list[TransformsFrame]:
  """The frames of a file, in its order.

  InputError for another kind of file; what a frame lacks is told when it is
  asked.
  """
  return frames_of(read_object(path), os.fspath(path))


def frames_of(content: dict[str, Any], name: str) -> list[TransformsFrame]:
  """The frames of a file that was read; name: of the file, for messages."""
  entries = content.get("frames")
  if not isinstance(entries, list) or not entries:
    raise InputError(f"{name}: frames: missing or empty; list the frames")
  shared = {k: v for k, v in content.items() if k != "frames"}
  return [
    TransformsFrame(f"{name}: frames[{i}]", _merged(shared, entry))
    for i, entry in enumerate(entries)
  ]


def _merged(shared: dict[str, Any], entry: Any) -> dict[str, Any]:
  """A frame's fields, and the file's where it has none of their meaning."""
  own = entry if isinstance(entry, dict) else {}
  given = {field for field, value in own.items() if value is not None}
  replaced = {other for field, other in _SAME.items() if field in given}
  return {k: v for k, v in shared.items() if k not in replaced} | own


def read_matrix(fields: Any, field: str, where: str) -> np.ndarray:
  """A matrix [3 or 4, 4] of a frame -> float64 [4, 4]."""
  value = fields.get(field) if isinstance(fields, dict) else None
  if value is None:
    raise InputError(
      f"{where}.{field}: missing; add the 4x4 matrix or remove this frame"
    )
  matrix = read_numbers(value, f"{where}.{field}")
  if matrix.shape == (3, 4):
    matrix = np.concatenate([matrix, [[0.0, 0.0, 0.0, 1.0]]])
  if matrix.shape != (4, 4):
    raise InputError(
      f"{where}.{field}: shape {matrix.shape}, not a 4x4 matrix; correct or"
      " remove this frame"
    )
  return matrix


def read_numbers(value: Any, where: str) -> np.ndarray:
  """Nested lists as float64."""
  remedy = "write every matrix as rows of as many numbers"
  problem = f"{where}: not a matrix of numbers"
  with explained(problem, remedy, TypeError, ValueError):
    return np.array(value, np.float64)


def read_object(path: str | os.PathLike) -> dict[str, Any]:
  """The JSON object in a file of cameras."""
  remedy = (
    'give the path of a JSON file of {"extrinsics": [...], "intrinsics": [...]}'
    ' or {"frames": ...}'
  )
  return read_json(path, remedy, nan=True)  # the field is named later
