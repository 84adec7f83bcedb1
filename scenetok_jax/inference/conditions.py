"""The posed images that a new scene is generated from."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax.geometry.camera_files import from_json
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image
from scenetok_jax.types import Cameras, InputError, Views


@dataclasses.dataclass(frozen=True)
class Conditions:
  """views: 1-3 square images uint8 [V H W 3] with absolute cameras.

  path: cameras of the scene that they were taken from, None for photos.
  """

  name: str
  views: Views
  path: Cameras | None = None


def from_photos(
  scenetok: SceneTok,
  images: Sequence[str],
  cameras: str | None,
  fov: float | None,
) -> Conditions:
  """Photos, posed by a camera file, or one photo with its field of view.

  Args:
    scenetok: the opened model.
    images: 1-3 image files.
    cameras: JSON of one camera per image, in the same order.
    fov: horizontal field of view of the only photo, in degrees.

  Raises:
    InputError: too many images, unreadable files, or cameras that do not fit.
  """
  _check_count("--image", len(images), scenetok)
  if (cameras is None) == (fov is None):
    raise InputError(
      "--cameras, --fov: give one of the two: a camera file, or the"
      " horizontal field of view of a single photo in degrees"
    )
  pictures = [read_image(name) for name in images]
  if cameras is None:
    if len(images) > 1:
      raise InputError(
        f"--fov: {len(images)} photos need their poses; give --cameras=FILE"
      )
    posed = _single(pictures[0], float(fov or 0.0))
  else:
    posed = from_json(cameras)
    if len(posed.extrinsics) != len(images):
      raise InputError(
        f"{cameras}: {len(posed.extrinsics)} cameras for {len(images)} images;"
        " give one per image, in the same order"
      )
  size = (scenetok.model.image_size,) * 2
  squares, lenses = [], []
  for name, picture, lens in zip(
    images, pictures, posed.intrinsics, strict=True
  ):
    try:
      square, lens = rescale_and_crop(picture, lens, size, move_centre=True)
    except InputError as error:
      raise InputError(f"{name}: {error}") from None
    squares.append(square)
    lenses.append(lens)
  views = Views(
    images=np.stack(squares),
    cameras=Cameras(posed.extrinsics, np.stack(lenses).astype(np.float32)),
  )
  return Conditions(", ".join(images), views)


def _single(picture: np.ndarray, fov: float) -> Cameras:
  """A photo at the origin: square pixels, centred."""
  if not 1.0 <= fov <= 170.0:
    raise InputError(
      f"--fov: {fov:g} is not a horizontal field of view between 1 and 170"
      " degrees"
    )
  height, width = picture.shape[:2]
  focal = 0.5 / math.tan(math.radians(fov) / 2)
  lens = np.diag([focal, focal * width / height, 1.0])
  lens[:2, 2] = 0.5
  return Cameras(
    np.eye(4, dtype=np.float32)[None], lens[None].astype(np.float32)
  )


def from_scene(
  scenetok: SceneTok,
  path: str | None,
  split: str | None,
  key: str,
  frames: Sequence[int],
) -> Conditions:
  """Frames of a prepared scene, with the scene's own path."""
  _check_count("--views", len(frames), scenetok)
  path = path or scenetok.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  dataset = records.Dataset(path, split or evaluation_split(path))
  row = dataset.scene(key)
  for frame in frames:
    if not 0 <= frame < row.frames:
      raise InputError(
        f"--views: frame {frame}: scene {row.key} has {row.frames} frames"
      )
  if row.height != scenetok.model.image_size:
    raise InputError(
      f"{dataset.directory}: frames of {row.height} pixels, the model reads"
      f" {scenetok.model.image_size}; prepare with"
      f" --size={scenetok.model.image_size}"
    )
  images, cameras = dataset.read_frames(row, list(frames))
  views = Views(images=images, cameras=cameras)
  return Conditions(row.key, views, dataset.cameras(row))


def _check_count(option: str, count: int, scenetok: SceneTok) -> None:
  most = scenetok.model.num_conditions
  if not 1 <= count <= most:
    raise InputError(
      f"{option}: {count} images; this generator reads 1 to {most}"
    )
