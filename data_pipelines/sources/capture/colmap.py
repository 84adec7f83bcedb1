"""Reading COLMAP models, text and binary, with pycolmap (extra `colmap`)."""

from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.sources.capture.frames import (
  Capture,
  ImageFinder,
  PosedFrame,
  natural_key,
)
from scenetok_jax.geometry.camera_checks import MAX_GIVEN, check_rigid
from scenetok_jax.geometry.cameras import invert
from scenetok_jax.geometry.lenses import FISHEYE, OPENCV, Lens
from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.types import InputError

_MODEL_FOLDERS = ("sparse", "colmap")
_PINHOLE = ("PINHOLE", "SIMPLE_PINHOLE")
# Models, and how many of their parameters stand before the coefficients.
_BROWN = {"SIMPLE_RADIAL": 3, "RADIAL": 3, "OPENCV": 4, "FULL_OPENCV": 4}
_EQUIDISTANT = {
  "SIMPLE_RADIAL_FISHEYE": 3, "RADIAL_FISHEYE": 3, "OPENCV_FISHEYE": 4,
}  # fmt: skip


def is_model(path: Path) -> bool:
  """Whether a folder holds a COLMAP model."""
  return any(
    (path / f"cameras{suffix}").is_file()
    and (path / f"images{suffix}").is_file()
    for suffix in (".bin", ".txt")
  )


def read(path: Path) -> Capture:
  """Registered images of a model, ordered by name."""
  model = _reconstruction(path)
  root = path
  while root.name in (*_MODEL_FOLDERS, "0"):
    root = root.parent
  finder = ImageFinder(root)
  entries = sorted(_entries(model), key=lambda item: natural_key(item[0]))
  if not entries:
    raise InputError(f"{path}: images: no image is registered; run the mapper")
  poses = np.array([w2c for _, w2c, _ in entries])
  check_rigid(poses, f"{path}: images (by name)", MAX_GIVEN)
  frames = []
  for (name, _, camera), c2w in zip(entries, invert(poses), strict=True):
    where = f"{path}: images: {name}"
    matrix = np.array(camera.calibration_matrix(), np.float64)
    size = float(camera.width), float(camera.height)
    # COLMAP looks at no orientation tag.
    shot = Shot(where, c2w, matrix, size, _lens(camera), stored=True)
    frames.append(PosedFrame(name, shot, finder.find(name, where)))
  return Capture(frames)


def _lens(camera: Any) -> Lens:
  """COLMAP's parameters are focal lengths, centre, then coefficients."""
  name, size = camera.model.name, (float(camera.width), float(camera.height))
  values = tuple(float(x) for x in camera.params)
  if name in _PINHOLE:
    return Lens()
  if name in _BROWN:
    rest = values[_BROWN[name] :]
    return Lens(OPENCV, (*rest, *(0.0,) * (8 - len(rest))))
  if name in _EQUIDISTANT:
    rest = values[_EQUIDISTANT[name] :]
    return Lens(FISHEYE, (*rest, *(0.0,) * (4 - len(rest))))
  return Lens(name, values, size)


def _reconstruction(path: Path) -> Any:
  try:
    import pycolmap
  except ImportError:
    raise InputError(
      f"{path}: COLMAP model: pycolmap is not installed; pip install"
      " 'scenetok_jax[colmap]'"
    ) from None
  try:
    return pycolmap.Reconstruction(str(path))
  except Exception as error:  # pycolmap's types differ between releases
    text = " ".join(str(error).split())
    raise InputError(f"{path}: COLMAP model: unreadable ({text})") from None


def _entries(model: Any) -> list[tuple[str, np.ndarray, Any]]:
  """(image name, world-to-camera [4, 4], camera) of registered images."""
  entries = []
  for image in model.images.values():
    if not getattr(image, "has_pose", True):
      continue
    pose = image.cam_from_world
    pose = pose() if callable(pose) else pose  # a method since pycolmap 3.12
    matrix = np.concatenate([pose.matrix(), [[0.0, 0.0, 0.0, 1.0]]])
    entries.append((image.name, matrix, model.cameras[image.camera_id]))
  return entries
