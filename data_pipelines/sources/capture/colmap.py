"""COLMAP models as captures."""

from pathlib import Path

import numpy as np

from data_pipelines.sources.capture import colmap_models
from data_pipelines.sources.capture.colmap_files import Camera, read_model
from data_pipelines.sources.capture.frames import Capture, PosedFrame
from scenetok_jax.geometry.camera_checks import MAX_GIVEN, check_rigid
from scenetok_jax.geometry.cameras import invert
from scenetok_jax.geometry.lenses import FISHEYE, OPENCV, Lens
from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.reading.image_search import ImageFinder, natural_key
from scenetok_jax.types import InputError

_PINHOLE = ("PINHOLE", "SIMPLE_PINHOLE")
_BROWN = ("SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
_EQUIDISTANT = (
  *("SIMPLE_FISHEYE", "FISHEYE", "SIMPLE_RADIAL_FISHEYE"),
  *("RADIAL_FISHEYE", "OPENCV_FISHEYE"),
)


def read(path: Path, root: Path) -> Capture:
  """Registered images of a model in the capture `root`, ordered by name."""
  finder = ImageFinder(root, colmap_models.first_folder(root, path))
  entries = sorted(read_model(path), key=lambda item: natural_key(item.name))
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
  notes = colmap_models.left_out(root, path)
  if unposed := finder.left_out():
    notes += (f"{unposed} images are not in the model, left out",)
  return Capture(frames, warnings=notes)


def _lens(camera: Camera) -> Lens:
  """COLMAP's parameters are focal lengths, centre, then coefficients."""
  name, rest = camera.model.name, camera.params[camera.model.focals + 2 :]
  if name in _PINHOLE:
    return Lens()
  if name in _BROWN:
    return Lens(OPENCV, (*rest, *(0.0,) * (8 - len(rest))))
  if name in _EQUIDISTANT:
    return Lens(FISHEYE, (*rest, *(0.0,) * (4 - len(rest))))
  size = float(camera.width), float(camera.height)
  return Lens(name, camera.params, size)
