"""Opening the images of one scene: prepared data, or a user's capture."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_pipelines.loading import view_readers
from data_pipelines.storage import records
from data_pipelines.views.evaluation import (
  choose,
  evaluation_split,
  given_context,
)
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.inference.context_choice import chosen, tell_count
from scenetok_jax.inference.scene_choice import RenderChoice, SceneChoice
from scenetok_jax.inference.scenetok import SceneTok, Seed
from scenetok_jax.reading.shown import remark
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import CameraPath, PathOptions
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.sampling.views import ViewOptions, far_view
from scenetok_jax.types import InputError, Views, check_key


@dataclasses.dataclass(frozen=True)
class OpenScene:
  """A clip with its context views chosen.

  clip: all frames [T], uint8 [T H W 3] and absolute cameras.
  context: frame numbers [V], sorted. novel: frames that may be scored.
  origin: what was subtracted from the source's positions.
  """

  key: str
  source: str
  clip: Views
  context: np.ndarray
  novel: np.ndarray
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

  @property
  def context_views(self) -> Views:
    """The context views [V]."""
    return self.take(self.context)

  @property
  def reference(self) -> np.ndarray:
    """[4 4] pose of the middle context view (release, test mode)."""
    middle = self.context[len(self.context) // 2]
    return np.asarray(self.clip.cameras.extrinsics)[middle]

  def take(self, frames: np.ndarray) -> Views:
    """Some frames of the clip."""
    return Views(
      images=np.asarray(self.clip.images)[frames],
      cameras=view_readers.take(self.clip.cameras, frames),
    )

  def encode(
    self, scenetok: SceneTok, seed: Seed = 0, rescale: bool | float = False
  ) -> Scene:
    """The scene of the context views; rescale: see SceneTok.encode."""
    given, count = self.context_views, len(self.context)
    scene = scenetok.encode(
      given.images,
      given.cameras,
      views=count,
      rescale=rescale,
      seed=seed,
      key=self.key,
    )
    return dataclasses.replace(scene, origin=self.origin)


def open_data(
  scenetok: SceneTok, path: str | None, split: str | None, key: str = ""
) -> records.Dataset:
  """Prepared data for a model.

  path, split: default to what the model was trained on, and to what of it is
  evaluated. key: of the scene that is wanted, which may be the only one to fit.
  Raises InputError: no such data, or frames of another size.
  """
  path, size = path or scenetok.config.data.path, scenetok.model.image_size
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  dataset = records.Dataset(path, split or evaluation_split(path))
  found = (dataset.scene(key) if key else dataset.scenes[0]).height
  if found != size:
    raise InputError(
      f"{dataset.directory}: frames of {found} pixels, the model reads {size};"
      f" prepare with --size={size}"
    )
  return dataset


def open_prepared(
  scenetok: SceneTok,
  path: str | None,
  split: str | None,
  key: str,
  asked: Sequence[int] | None = None,
) -> OpenScene:
  """A scene of open_data's, with the context views of evaluation.

  asked: the context views; fewer are read of a clip that has no more.
  """
  dataset = open_data(scenetok, path, split, key)
  row = dataset.scene(key)
  images, cameras = dataset.read_frames(row, np.arange(row.frames))
  where = f"{dataset.directory}: scene {row.key}"
  extrinsics, trained = cameras.extrinsics, scenetok.config.data.num_context
  if asked is None:
    choice = choose(row, extrinsics, min(trained, len(row.kept)))
  else:
    choice = given_context(row, chosen(row.frames, asked))
  tell_count(where, len(choice.context), trained)
  clip = Views(images=images, cameras=cameras)
  return OpenScene(
    row.key, where, clip, choice.context, choice.target, row.origin
  )


def open_photos(
  scenetok: SceneTok,
  source: str,
  folder: str,
  asked: Sequence[int] | None = None,
) -> OpenScene:
  """Photos without poses, or a video: poses are estimated into a folder.

  asked: see open_prepared. The folder is a capture then.
  Raises InputError: see data_pipelines.photos.estimate.
  """
  from data_pipelines import photos  # late: brings the writers along

  size = scenetok.model.image_size
  found = photos.estimate(source, folder, shape=(size, size))
  remark(f"{source}: {found.line}")
  opened = open_capture(scenetok, folder, asked)
  return dataclasses.replace(opened, key=found.key)


def open_capture(
  scenetok: SceneTok, folder: str, asked: Sequence[int] | None = None
) -> OpenScene:
  """A capture: transforms.json, poses.json or COLMAP model, with images.

  asked: see open_prepared.
  Raises InputError: naming the file and field that are wrong.
  """
  from data_pipelines.sources import capture  # late: brings the writers along

  root = Path(folder)
  if root.is_file():
    raise InputError(
      f"{root}: --capture: a file; of a video, poses are estimated with"
      " --estimate-poses=DIR"
    )
  if not root.is_dir():
    raise InputError(f"{root}: --capture: no such folder; check the path")
  key = check_key(root.resolve().name, f"{root}: --capture:")
  raw = capture.load(root, scenetok.model.image_size)
  extrinsics = raw.cameras.extrinsics
  trained = scenetok.config.data.num_context
  if asked is None:
    count = min(trained, len(extrinsics))
    context = np.unique(farthest_point(extrinsics, count, 0))
  else:
    context = chosen(len(extrinsics), asked)
  tell_count(str(root), len(context), trained)
  novel = np.setdiff1d(np.arange(len(extrinsics)), context)
  clip = Views(images=raw.images, cameras=raw.cameras)
  for note in raw.warnings:
    remark(f"{root}: {note}")
  return OpenScene(key, raw.source, clip, context, novel, raw.origin)


def open_scene(scenetok: SceneTok, choice: SceneChoice) -> OpenScene:
  """The scene that a user chooses; a capture where there is one."""
  if choice.capture is not None and choice.estimate_poses is not None:
    poses = choice.estimate_poses
    return open_photos(scenetok, choice.capture, poses, choice.asked)
  if choice.capture is not None:
    return open_capture(scenetok, choice.capture, choice.asked)
  if choice.scene is None:
    raise InputError("--scene, --capture: give one of the two")
  where = choice.data, choice.split, choice.scene
  return open_prepared(scenetok, *where, choice.asked)


def scene_of(
  scenetok: SceneTok, choice: RenderChoice
) -> tuple[Scene, OpenScene | None]:
  """A scene file's scene, or that of a choice, with what it was made from."""
  if choice.tokens is None:
    opened = open_scene(scenetok, choice)
    return opened.encode(scenetok, choice.seed, choice.rescale), opened
  if choice.rescale is not False:
    raise InputError(
      f"--rescale: the scene in {choice.tokens} is made; give it to scenetok"
      " encode"
    )
  return Scene.load(choice.tokens), None


def path_through(
  scene: Scene,
  opened: OpenScene | None,
  name: str,
  options: PathOptions,
  view: ViewOptions,
  side: int,
) -> CameraPath:
  """A path as squares of side pixels are rendered along it, for a view.

  name, options: see paths.through_scene. opened: the clip that the scene was
  made from, where it is known. A field of view that is far from the context's
  is told on stderr.
  """
  clip = opened.clip.cameras if opened else None
  origin = np.array(scene.origin)
  path = paths.through_scene(name, clip, scene.context, options, origin)
  path = path.seen(side, view)
  if told := far_view(path.cameras, scene.context):
    remark(f"--trajectory: {told}")
  return path
