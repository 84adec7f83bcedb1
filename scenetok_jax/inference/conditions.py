"""The posed images that a new scene is generated from."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from scenetok_jax.geometry.camera_files import read_file
from scenetok_jax.geometry.origins import own
from scenetok_jax.geometry.posed_pictures import fit
from scenetok_jax.inference.given_views import fit_views
from scenetok_jax.inference.rescaling import Rescaling
from scenetok_jax.inference.scene_choice import PreparedScene
from scenetok_jax.inference.scenes import open_data
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image, read_picture
from scenetok_jax.reading.schema import FieldOfView, Some
from scenetok_jax.reading.shown import remark
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import CameraPath, PathOptions
from scenetok_jax.sampling.views import ViewOptions, far_view
from scenetok_jax.types import Cameras, InputError, Views, option


@dataclasses.dataclass(frozen=True)
class ConditionChoice(Rescaling, PreparedScene):
  """Which images, photos or frames of a prepared scene, and which path."""

  image: tuple[str, ...] = option((), "1-3 images", metavar="IMG", nargs="+")
  cameras: str | None = option(
    None, "one camera per image", metavar="FILE.json"
  )
  fov: FieldOfView | None = option(
    None, "horizontal field of view of one photo, deg"
  )
  anchors: str | None = option(
    None,
    "where to visit the new scene: forward|look|orbit|FILE.json, or scene for"
    " the prepared scene's own path (default: scene, else forward)",
  )
  views: tuple[Some, ...] = option(
    (0,), "with --scene: frames to condition on", metavar="FRAME", nargs="+"
  )


@dataclasses.dataclass(frozen=True)
class Conditions:
  """views: 1-3 square images uint8 [V H W 3] with absolute cameras.

  path: cameras of the scene that they were taken from, None for photos.
  origin: what was subtracted from the positions that they were given with.
  """

  name: str
  views: Views
  path: Cameras | None = None
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


def open_conditions(scenetok: SceneTok, choice: ConditionChoice) -> Conditions:
  """The images that a user chooses.

  Raises InputError: both kinds or none, too many images, unreadable files, or
  cameras that do not fit.
  """
  if bool(choice.image) == (choice.scene is not None):
    raise InputError("--image, --scene: give one of the two")
  if choice.scene is None:
    return _from_photos(scenetok, choice)
  return _from_scene(scenetok, choice.scene, choice)


def _from_photos(scenetok: SceneTok, choice: ConditionChoice) -> Conditions:
  """Photos, posed by a camera file, or one photo with its field of view."""
  images, cameras, fov = choice.image, choice.cameras, choice.fov
  if (cameras is None) == (fov is None):
    raise InputError(
      "--cameras, --fov: give one of the two: a camera file, or the"
      " horizontal field of view of a single photo in degrees"
    )
  if cameras is None:
    pictures = [read_image(name) for name in images]
    if len(images) > 1:
      raise InputError(
        f"--fov: {len(images)} photos need their poses; give --cameras=FILE"
      )
    posed, origin = camera_of_photo(pictures[0], float(fov or 0.0)), np.zeros(3)
  else:
    pictures, posed, origin = _posed_photos(images, cameras)
  views = fit_views(pictures, posed, scenetok.model.image_size, images)
  x, y, z = origin.tolist()
  return Conditions(", ".join(images), views, origin=(x, y, z))


def _posed_photos(
  images: Sequence[str], file: str
) -> tuple[list[np.ndarray], Cameras, np.ndarray]:
  """Straight upright photos with the cameras of a file, and their origin."""
  given = read_file(file)
  for note in given.notes:
    remark(f"{file}: {note}")
  if len(given.extrinsics) != len(images):
    raise InputError(
      f"{file}: {len(given.extrinsics)} cameras for {len(images)} images; give"
      " one per image, in the same order"
    )
  if not given.shots:
    posed, origin = own(Cameras(given.extrinsics, given.intrinsics))
    return [read_image(name) for name in images], posed, origin
  pictures, poses, lenses = [], [], []
  for name, shot in zip(images, given.shots, strict=True):
    picture = read_picture(name)
    fitted = fit(shot, picture.header)
    for note in (*picture.notes, *fitted.notes):
      remark(f"{name}: {note}")
    pictures.append(fitted.picture(picture))
    poses.append(fitted.c2w)
    lenses.append(fitted.intrinsics)
  posed, origin = own(Cameras(np.array(poses), np.array(lenses)))
  return pictures, posed, origin


def camera_of_photo(picture: np.ndarray, fov: float) -> Cameras:
  """One camera [1] at the origin, for a photo [H W 3] with square pixels.

  fov: its horizontal field of view in degrees.
  """
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


def _from_scene(
  scenetok: SceneTok, key: str, choice: ConditionChoice
) -> Conditions:
  """Frames of a prepared scene, with the scene's own path."""
  dataset = open_data(scenetok, choice.data, choice.split, key)
  row = dataset.scene(key)
  for frame in choice.views:
    if not 0 <= frame < row.frames:
      raise InputError(
        f"--views: frame {frame}: scene {row.key} has {row.frames} frames"
      )
  images, cameras = dataset.read_frames(row, list(choice.views))
  views = Views(images=images, cameras=cameras)
  return Conditions(row.key, views, dataset.cameras(row), row.origin)


def rescale_of(choice: ConditionChoice, path: CameraPath) -> bool | float:
  """For SceneTok.generate_batch; a motion's length is the user's choice."""
  if path.name in paths.MOTIONS and choice.rescale is False:
    return 1.0
  return choice.rescale


def camera_path(
  given: Conditions, name: str | None, options: PathOptions
) -> CameraPath:
  """Where the new scene is visited: a motion, a file or the scene's path.

  The first conditioning view is where motions start.
  """
  if name is None:
    name = "forward" if given.path is None else "scene"
  if name.endswith(".json"):
    path = paths.from_file(name, options, np.array(given.origin))
    side = np.asarray(given.views.images).shape[1]
    path = path.seen(side, ViewOptions())
    if told := far_view(path.cameras, given.views.cameras):
      remark(f"--anchors: {told}")
    return path
  if name == "scene":
    if given.path is None:
      raise InputError(
        "--anchors: scene: photos have no path of their own; use"
        f" {', '.join(paths.MOTIONS)} or a .json file"
      )
    return CameraPath("scene", paths.first_frames(given.path, options.frames))
  cameras = given.views.cameras
  return paths.motion(
    name, cameras.extrinsics[0], cameras.intrinsics[0], options
  )
