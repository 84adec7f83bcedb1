"""The lens that a transforms.json names: by its model, by its coefficients.

nerfstudio and instant-ngp write `camera_model`, `is_fisheye`, k1 ... p2 or
`distortion_params`; what they mean together stands here alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scenetok_jax.geometry.lenses import FISHEYE, OPENCV, Lens
from scenetok_jax.types import InputError

_STRAIGHT = ("PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "")
_BROWN = ("SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
_EQUIDISTANT = (
  *("OPENCV_FISHEYE", "FISHEYE"),
  *("SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"),
)
# instant-ngp's, of pictures that no pinhole can show.
_OTHER = ("latlong", "equirectangular", "orthographic")
_NAMES = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # OpenCV's order
_PARAMETERS = ("k1", "k2", "k3", "k4", "p1", "p2")  # nerfstudio's
_SPLIT = (
  "cut pinhole views out of these pictures first, or leave this capture out"
)


def read_lens(fields: Mapping[str, Any], where: str) -> Lens:
  """The lens of a frame; fields: its own and the file's.

  InputError, which starts with `where`, for what neither a pinhole nor OpenCV
  describes, and for fields that contradict each other.
  """
  model = _model(fields, where)
  given = _coefficients(fields, where, fisheye=model in _EQUIDISTANT)
  if model in _EQUIDISTANT:
    wrong = [n for n in ("p1", "p2", "k5", "k6") if given[n]]
    if wrong:
      raise InputError(
        f"{where}: {wrong[0]}: a fisheye has k1 to k4 alone; correct"
        " camera_model, or undistort the pictures first"
      )
    return Lens(FISHEYE, tuple(given[f"k{i}"] for i in (1, 2, 3, 4)))
  if (
    given["k4"] and model != "FULL_OPENCV" and not (given["k5"] or given["k6"])
  ):
    raise InputError(
      f"{where}: k4: means one thing to nerfstudio, another to OpenCV; write"
      ' "camera_model": "FULL_OPENCV" or "OPENCV_FISHEYE", or undistort the'
      " pictures first"
    )
  if not any(given.values()):
    return Lens()
  return Lens(OPENCV, tuple(given[name] for name in _NAMES))


def _model(fields: Mapping[str, Any], where: str) -> str:
  """The upper-case name of a model that is known."""
  for name in _OTHER:
    if fields.get(name):
      raise InputError(f"{where}: {name}: not a pinhole's picture; {_SPLIT}")
  for name in fields:
    if name.startswith("ftheta_") and fields[name] is not None:
      raise InputError(f"{where}: {name}: an f-theta lens; {_SPLIT}")
  value = fields.get("camera_model")
  value = fields.get("camera_type") if value is None else value
  model = "" if value is None else str(value).upper()
  if model not in (*_STRAIGHT, *_BROWN, *_EQUIDISTANT):
    raise InputError(
      f"{where}: camera_model: {value!r:.40} is not a pinhole, nor one of"
      f" {', '.join((*_BROWN, *_EQUIDISTANT))}; {_SPLIT}"
    )
  fisheye = fields.get("is_fisheye")
  if fisheye is None:
    return model
  other = _EQUIDISTANT if not fisheye else _STRAIGHT[:3]
  if model in other:
    raise InputError(
      f"{where}: is_fisheye: {fisheye!r:.40} contradicts camera_model {model};"
      " correct or remove one of the two"
    )
  return "FISHEYE" if fisheye else model


def _coefficients(
  fields: Mapping[str, Any], where: str, fisheye: bool
) -> dict[str, float]:
  """k1 to k6, p1, p2; 0 where a file has none."""
  found = {n: _number(fields.get(n), f"{where}: {n}") for n in _NAMES}
  listed = fields.get("distortion_params")
  if listed is None:
    return found
  place = f"{where}: distortion_params"
  values = listed if isinstance(listed, list) else [listed]
  numbers = [_number(value, place) for value in values]
  names = _PARAMETERS[: 4 if fisheye and len(numbers) == 4 else 6]
  if len(numbers) != len(names):
    raise InputError(
      f"{place}: {len(numbers)} numbers, not k1 k2 k3 k4 p1 p2; correct them,"
      " or undistort the pictures first"
    )
  given = dict(zip(names, numbers, strict=True))
  if any(found[name] not in (0.0, given.get(name, 0.0)) for name in _NAMES):
    raise InputError(
      f"{place}: contradicts k1, k2, ... beside it; remove one of the two"
    )
  return {name: given.get(name, 0.0) for name in _NAMES}


def _number(value: Any, where: str) -> float:
  if value is None:
    return 0.0
  try:
    number = np.nan if isinstance(value, bool) else float(value)
  except (TypeError, ValueError):
    number = np.nan
  if not np.isfinite(number):
    raise InputError(f"{where}: {value!r:.40} is no number; correct it")
  return number
