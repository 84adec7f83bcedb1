"""Camera poses from images alone, by structure from motion (extra `colmap`)."""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scenetok_jax.media import write_png
from scenetok_jax.types import InputError

SMALLEST = 16  # ours: below so many pixels there are no features to find
FEWEST = 3  # frames: the mapper takes points that three of them see
# Ours: SIFT finds little in smaller frames; they are enlarged to at least this.
ENLARGED = 256
ORACLE = "pycolmap: SIFT, global mapping"  # part of what a result depends on


def available() -> bool:
  """Whether pycolmap is installed."""
  return importlib.util.find_spec("pycolmap") is not None


def check_available() -> None:
  """Raises InputError where pycolmap is not installed."""
  if not available():
    raise InputError(
      "poses: pycolmap is not installed; pip install 'scenetok_jax[colmap]', or"
      " give poses of another estimator by --poses"
    )


def estimate_poses(
  images: np.ndarray, intrinsics: np.ndarray, *, seed: int = 0, threads: int = 1
) -> np.ndarray:
  """Poses of frames in their largest common reconstruction.

  SIFT features, exhaustive matching and global mapping by pycolmap, with the
  true intrinsics held fixed. Frames whose shorter side is below ENLARGED are
  made larger by a whole factor first. The frames' order has no influence. With
  one thread the result depends on the seed alone.

  Args:
    images: uint8 [T H W 3].
    intrinsics: [T 3 3], normalised by width and height.
    seed: of the robust estimators.
    threads: -1 for all cores; more than one is faster, and not repeatable.

  Returns:
    [T 4 4] float64 camera-to-world up to a similarity; NaN where a frame
    could not be placed.

  Raises:
    InputError: pycolmap is not installed, or images too few or too small.
  """
  check_available()
  if min(images.shape[1:3]) < SMALLEST:
    raise InputError(
      f"poses: images of {images.shape[1]} x {images.shape[2]} pixels have no"
      f" features; at least {SMALLEST} are needed"
    )
  if len(images) < FEWEST:
    raise InputError(
      f"poses: {len(images)} frames; pycolmap needs at least {FEWEST}: take"
      " more (a smaller --every), or give poses of another estimator by --poses"
    )
  factor = -(-ENLARGED // min(images.shape[1:3]))
  size = (images.shape[1] * factor, images.shape[2] * factor)
  with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    for i, image in enumerate(images):
      write_png(root / "images" / _name(i), _enlarge(image, size))
    return _reconstruct(root, size, intrinsics, seed, threads)


def _enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """uint8 [H W 3] at another size (height, width)."""
  if image.shape[:2] == size:
    return image
  larger = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
  return np.asarray(larger)


def _name(frame: int) -> str:
  return f"{frame:06d}.png"


def _reconstruct(
  root: Path,
  size: tuple[int, int],
  intrinsics: np.ndarray,
  seed: int,
  threads: int,
) -> np.ndarray:
  import pycolmap

  pycolmap.logging.minloglevel = 2  # errors only: it logs every step
  pycolmap.set_random_seed(seed)
  database, folder = root / "database.db", root / "images"
  extraction = pycolmap.FeatureExtractionOptions()
  matching = pycolmap.FeatureMatchingOptions()
  extraction.use_gpu = matching.use_gpu = False
  extraction.num_threads = matching.num_threads = threads
  pycolmap.extract_features(
    database,
    folder,
    camera_mode=pycolmap.CameraMode.PER_IMAGE,
    reader_options=pycolmap.ImageReaderOptions(camera_model="PINHOLE"),
    extraction_options=extraction,
    device=pycolmap.Device.cpu,
  )
  _set_cameras(pycolmap, database, size, intrinsics)
  pycolmap.match_exhaustive(
    database, matching_options=matching, device=pycolmap.Device.cpu
  )
  models = _map(pycolmap, root, seed, threads)
  poses = np.full((len(intrinsics), 4, 4), np.nan)
  if not models:
    return poses
  largest = max(models.values(), key=lambda model: model.num_reg_images())
  for image in largest.images.values():
    if image.has_pose:
      w2c = np.eye(4)
      w2c[:3] = image.cam_from_world().matrix()
      poses[int(Path(image.name).stem)] = np.linalg.inv(w2c)
  return poses


def _map(pycolmap: Any, root: Path, seed: int, threads: int) -> dict[int, Any]:
  """Reconstructions from the matches in the database; lenses stay as given.

  All frames are placed at once, hence also where neighbours share little: an
  incremental mapper loses those frames.
  """
  (root / "models").mkdir()
  mapping = pycolmap.GlobalPipelineOptions()
  mapping.random_seed, mapping.num_threads = seed, threads
  mapping.min_model_size = 2
  adjustment = mapping.mapper.bundle_adjustment
  adjustment.refine_focal_length = False
  adjustment.refine_principal_point = False
  adjustment.refine_extra_params = False
  return pycolmap.global_mapping(
    root / "database.db", root / "images", root / "models", options=mapping
  )


def _set_cameras(
  pycolmap: Any, path: Path, size: tuple[int, int], intrinsics: np.ndarray
) -> None:
  """The true pinhole of every image, in pixels."""
  height, width = size
  with pycolmap.Database.open(path) as database:
    for image in database.read_all_images():
      lens = np.asarray(intrinsics[int(Path(image.name).stem)], np.float64)
      camera = database.read_camera(image.camera_id)
      camera.params = [
        lens[0, 0] * width,
        lens[1, 1] * height,
        lens[0, 2] * width,
        lens[1, 2] * height,
      ]
      camera.has_prior_focal_length = True
      database.update_camera(camera)
