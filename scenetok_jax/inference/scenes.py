"""Opening the images of one scene: prepared data, or a user's capture."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from data_pipelines.loading import loader, view_readers
from data_pipelines.storage import records
from data_pipelines.views import evaluation
from data_pipelines.views.evaluation import MIN_HEADING, evaluation_split
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import Array, Cameras, InputError, Views, option


@dataclasses.dataclass(frozen=True)
class SceneChoice:
  """Which scene: of prepared data, or a capture."""

  scene: str | None = option(
    None, "key or number of a prepared scene", metavar="KEY"
  )
  data: str | None = option(
    None, "prepared data (default: what the run trained on)"
  )
  split: str | None = option(None, "default: test, else train")
  capture: str | None = option(
    None, "transforms.json or COLMAP, images", metavar="FOLDER"
  )


@dataclasses.dataclass(frozen=True)
class OpenScene:
  """A clip with its context views chosen.

  clip: all frames [T], uint8 [T H W 3] and absolute cameras.
  context: frame numbers [V], sorted. novel: frames that may be scored.
  """

  key: str
  source: str
  clip: Views
  context: np.ndarray
  novel: np.ndarray

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

  def encode(self, scenetok: SceneTok, seed: int = 0) -> Scene:
    """The scene of the context views."""
    context = self.context_views
    return scenetok.encode(
      context.images,
      context.cameras,
      views=len(self.context),
      seed=seed,
      key=self.key,
    )


def open_prepared(
  scenetok: SceneTok, path: str | None, split: str | None, key: str
) -> OpenScene:
  """A scene of prepared data, with the context views that evaluation takes.

  Raises:
    InputError: no such data or scene, or frames of another size.
  """
  path = path or scenetok.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  dataset = records.Dataset(path, split or evaluation_split(path))
  scene = loader.load_scene(dataset, dataset.split, key)
  size, wanted = scene.images.shape[1], scenetok.model.image_size
  where = f"{dataset.directory}: scene {scene.row.key}"
  if size != wanted:
    raise InputError(
      f"{where}: frames of {size} pixels, the model reads {wanted}; prepare"
      f" with --size={wanted}"
    )
  extrinsics, count = scene.cameras.extrinsics, scenetok.config.data.num_context
  _check_frames(where, len(extrinsics), count)
  if scene.row.held_out:
    choice = evaluation.held_out(scene.row, extrinsics, count)
    context, novel = choice.context, choice.target
  else:
    choice = evaluation.cover(extrinsics, count, MIN_HEADING)
    context, novel = choice.context, choice.target
  clip = Views(images=scene.images, cameras=scene.cameras)
  return OpenScene(scene.row.key, where, clip, context, novel)


def open_capture(scenetok: SceneTok, folder: str) -> OpenScene:
  """A capture: transforms.json, poses.json or COLMAP model, with images.

  Raises:
    InputError: naming the file and field that are wrong.
  """
  from data_pipelines.sources import capture  # late: brings the writers along

  root = Path(folder)
  if not root.is_dir():
    raise InputError(f"{root}: --capture: no such folder; check the path")
  raw = capture.load(root, scenetok.model.image_size)
  extrinsics = raw.cameras.extrinsics
  count = scenetok.config.data.num_context
  _check_frames(str(root), len(extrinsics), count)
  context = np.unique(farthest_point(extrinsics, count, 0))
  novel = np.setdiff1d(np.arange(len(extrinsics)), context)
  clip = Views(images=raw.images, cameras=raw.cameras)
  return OpenScene(root.resolve().name, raw.source, clip, context, novel)


def cameras_of(views: Views) -> Cameras:
  """Cameras as NumPy float32."""
  return Cameras(
    np.asarray(views.cameras.extrinsics, np.float32),
    np.asarray(views.cameras.intrinsics, np.float32),
  )


def open_scene(scenetok: SceneTok, choice: SceneChoice) -> OpenScene:
  """The scene that a user chooses; a capture where there is one."""
  if choice.capture is not None:
    return open_capture(scenetok, choice.capture)
  if choice.scene is None:
    raise InputError("--scene, --capture: give one of the two")
  return open_prepared(scenetok, choice.data, choice.split, choice.scene)


def encode_scene(scenetok: SceneTok, scene: OpenScene, key: Array) -> Array:
  """The context views' tokens [1 N C]; key draws the posterior's sample."""
  context = jax.tree.map(lambda a: np.asarray(a)[None], scene.context_views)
  return scenetok.encode_batch(context, scene.reference[None], key)


def _check_frames(where: str, frames: int, count: int) -> None:
  if frames < count:
    raise InputError(
      f"{where}: {frames} frames, the model reads {count} context views"
      " (data.num_context); give a longer clip"
    )
