"""Opening one scene for rendering: prepared data, or a user's capture."""

import dataclasses
from pathlib import Path

import numpy as np

from data_pipelines import evaluation_views, loader, records
from scenetok_jax.cli.assemble import MIN_HEADING, Run, evaluation_split
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.types import Cameras, InputError, Views


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
      cameras=loader.take(self.clip.cameras, frames),
    )


def open_prepared(
  run: Run, path: str | None, split: str | None, key: str
) -> OpenScene:
  """A scene of prepared data, with the context views that evaluation takes.

  Raises:
    InputError: no such data or scene, or frames of another size.
  """
  path = path or run.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  dataset = records.Dataset(path, split or evaluation_split(path))
  scene = loader.load_scene(dataset, dataset.split, key)
  size, wanted = scene.images.shape[1], run.system.image_size
  where = f"{dataset.directory}: scene {scene.row.key}"
  if size != wanted:
    raise InputError(
      f"{where}: frames of {size} pixels, the model reads {wanted}; prepare"
      f" with --size={wanted}"
    )
  extrinsics, count = scene.cameras.extrinsics, run.config.data.num_context
  _check_frames(where, len(extrinsics), count)
  if scene.row.held_out:
    choice = evaluation_views.held_out(scene.row, extrinsics, count)
    context, novel = choice.context, choice.target
  else:
    context, novel = _spread(extrinsics, count)
  clip = Views(images=scene.images, cameras=scene.cameras)
  return OpenScene(scene.row.key, where, clip, context, novel)


def open_capture(run: Run, folder: str) -> OpenScene:
  """A capture: transforms.json, poses.json or COLMAP model, with images.

  Raises:
    InputError: naming the file and field that are wrong.
  """
  from data_pipelines import capture  # late: brings the writers along

  root = Path(folder)
  if not root.is_dir():
    raise InputError(f"{root}: --capture: no such folder; check the path")
  raw = capture.load(root, run.system.image_size)
  extrinsics = raw.cameras.extrinsics
  count = run.config.data.num_context
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


def _check_frames(where: str, frames: int, count: int) -> None:
  if frames < count:
    raise InputError(
      f"{where}: {frames} frames, the model reads {count} context views"
      " (data.num_context); give a longer clip"
    )


def _spread(extrinsics: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
  """Context and other frames; farthest points where the clip turns little."""
  try:
    choice = evaluation_views.spread(extrinsics, count, MIN_HEADING)
  except InputError:
    context = np.unique(farthest_point(extrinsics, count, 0))
    return context, np.setdiff1d(np.arange(len(extrinsics)), context)
  return choice.context, choice.target
