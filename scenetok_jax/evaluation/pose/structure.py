"""Camera poses from images alone, by structure from motion (extra `colmap`)."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data_pipelines.photos import sfm
from data_pipelines.photos.source import FEWEST
from scenetok_jax.media import enlarge, write_png
from scenetok_jax.metrics.tsed import SIDE
from scenetok_jax.types import InputError

SMALLEST = 16  # ours: below so many pixels there are no features to find
ORACLE = "pycolmap: SIFT, global mapping"  # part of what a result depends on


def check_available() -> None:
  """Raises InputError where pycolmap is not installed."""
  sfm.check_available(", or give poses of another estimator by --poses")


def estimate_poses(
  images: np.ndarray, intrinsics: np.ndarray, *, seed: int = 0, threads: int = 1
) -> np.ndarray:
  """Poses of frames in their largest common reconstruction.

  SIFT features, exhaustive matching and global mapping by pycolmap, with the
  true intrinsics held fixed. Small frames are enlarged first, as for TSED. The
  frames' order has no influence. With one thread the result depends on the
  seed alone.

  images: uint8 [T H W 3]. intrinsics: [T 3 3], normalised by width and height.
  threads: -1 for all cores; more than one is faster, and not repeatable.
  Returns [T 4 4] float64 camera-to-world up to a similarity; NaN where a frame
  could not be placed.
  Raises InputError: pycolmap is not installed, or images too few or too small.
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
  images = enlarge(images, SIDE, Image.Resampling.BICUBIC)
  height, width = images.shape[1:3]
  with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    for i, image in enumerate(images):
      write_png(root / "images" / f"{i:06d}.png", image)
    lenses = np.asarray(intrinsics, np.float64)
    lenses = lenses * np.array([[width], [height], [1.0]])
    return _reconstruct(root, lenses, seed, threads)


def _reconstruct(
  root: Path, lenses: np.ndarray, seed: int, threads: int
) -> np.ndarray:
  """Poses of root/images; lenses: intrinsics [T 3 3] in pixels."""
  pycolmap = sfm.loaded(seed)
  database, folder = root / "database.db", root / "images"
  extraction = sfm.on_cpu(pycolmap.FeatureExtractionOptions(), threads)
  matching = sfm.on_cpu(pycolmap.FeatureMatchingOptions(), threads)
  pycolmap.extract_features(
    database,
    folder,
    camera_mode=pycolmap.CameraMode.PER_IMAGE,
    reader_options=pycolmap.ImageReaderOptions(camera_model="PINHOLE"),
    extraction_options=extraction,
    device=pycolmap.Device.cpu,
  )
  with pycolmap.Database.open(database) as opened:
    for image in opened.read_all_images():
      lens = lenses[int(Path(image.name).stem)]
      camera = opened.read_camera(image.camera_id)
      camera.params = [lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]]
      camera.has_prior_focal_length = True
      opened.update_camera(camera)
  pycolmap.match_exhaustive(
    database, matching_options=matching, device=pycolmap.Device.cpu
  )
  # All frames are placed at once, hence also where neighbours share little:
  # an incremental mapper loses those frames. Lenses stay as given.
  (root / "models").mkdir()
  mapping = pycolmap.GlobalPipelineOptions()
  mapping.random_seed, mapping.num_threads = seed, threads
  mapping.min_model_size = 2
  adjustment = mapping.mapper.bundle_adjustment
  adjustment.refine_focal_length = False
  adjustment.refine_principal_point = False
  adjustment.refine_extra_params = False
  models = pycolmap.global_mapping(
    database, folder, root / "models", options=mapping
  )
  poses = np.full((len(lenses), 4, 4), np.nan)
  if not models:
    return poses
  largest = max(models.values(), key=lambda model: model.num_reg_images())
  for name, pose in sfm.poses(largest).items():
    poses[int(Path(name).stem)] = pose
  return poses
