"""The frames that pose-score judges: of data, of a folder, or rendered."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from data_pipelines.storage.records import Dataset, SceneRow
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.inference import scenes
from scenetok_jax.inference.pictures import write_frames
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image
from scenetok_jax.outputs import Output
from scenetok_jax.types import Cameras, InputError


@dataclasses.dataclass(frozen=True)
class JudgedClip:
  """Frames to judge, uint8 [T H W 3], and the poses they ought to show [T].

  real: frames that a distance between sets compares with; None without.
  """

  images: np.ndarray
  cameras: Cameras
  real: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class ClipSource:
  """A clip that is read or rendered when its turn comes.

  key: of the scene whose path it follows. source: of the scene that it shows.
  identity: of what it is made of, beside the checkpoint and the options.
  """

  key: str
  source: str
  identity: str
  load: Callable[[], JudgedClip]


def all_clips(
  scenetok: SceneTok | None, options: PoseScoreOptions, out: Output | None
) -> list[ClipSource]:
  """Those that are rendered, or without a model those that are given."""
  if scenetok and out:
    return rendered_clips(scenetok, options, out)
  return given_clips(options)


def given_clips(options: PoseScoreOptions) -> list[ClipSource]:
  """Frames of the data, or of --images in their place."""
  dataset, rows = _rows(options)
  images = _folder(options.images, rows[0]) if options.images else None

  def load(row: SceneRow) -> JudgedClip:
    frames = np.arange(0, row.frames, options.every)
    real, cameras = dataset.read_frames(row, frames)
    if images is None:
      return JudgedClip(real, cameras)
    return JudgedClip(images[frames], cameras, real)

  clips = []
  for row in rows:
    identity = row.sha256
    if images is not None:
      judged = images[:: options.every]
      identity += f" {hashlib.sha256(judged.tobytes()).hexdigest()}"
    read = functools.partial(load, row)
    clips.append(ClipSource(row.key, row.key, identity, read))
  return clips


def rendered_clips(
  scenetok: SceneTok, options: PoseScoreOptions, out: Output
) -> list[ClipSource]:
  """Each scene along its own path, or the next scene's tokens along it.

  A path is taken over relative to the middle context view of either scene.
  Raises InputError: --transfer, and a single scene.
  """
  dataset, rows = _rows(options)
  if options.transfer and len(rows) < 2:
    raise InputError(
      f"{dataset.directory}: --transfer: {len(rows)} scene; its tokens need"
      " another scene's path, so prepare at least 2"
    )
  noise_key, token_key = jax.random.split(jax.random.key(options.seed))

  def load(number: int, key: str, source_key: str) -> JudgedClip:
    scene, source = (
      scenes.open_prepared(scenetok, options.data, options.split, name)
      for name in (key, source_key)
    )
    frames = np.arange(0, len(scene.clip.cameras.extrinsics), options.every)
    target = scene.take(frames).cameras
    with console.follow(key) as progress:
      shown = source.encode(scenetok, token_key)
      video = scenetok.render_batch(
        [dataclasses.replace(shown, reference=scene.reference)],
        target,
        sampling=options,
        seed=jax.random.fold_in(noise_key, number),
        progress=progress,
      )[0, 0]
    write_frames(out, key, video)
    out.publish()  # an interrupted run goes on from them
    # Frames that fill no latent were not rendered.
    kept = jax.tree.map(lambda a: np.asarray(a)[: len(video)], target)
    return JudgedClip(video, kept, np.asarray(source.clip.images))

  clips = []
  for i, row in enumerate(rows):
    source = rows[(i + 1) % len(rows)] if options.transfer else row
    identity = f"{row.sha256} {source.sha256}"
    read = functools.partial(load, i, row.key, source.key)
    clips.append(ClipSource(row.key, source.key, identity, read))
  return clips


def _rows(options: PoseScoreOptions) -> tuple[Dataset, list[SceneRow]]:
  """The scenes that are judged."""
  split = options.split or evaluation_split(options.data)
  dataset = Dataset(options.data, split)
  if options.scene is not None:
    return dataset, [dataset.scene(options.scene)]
  return dataset, list(dataset.scenes[: options.scenes])


def _folder(path: str, row: SceneRow) -> np.ndarray:
  """PNG and JPEG files by name, one for each frame: uint8 [T H W 3]."""
  files = sorted(
    file
    for file in Path(path).glob("*")
    if file.suffix.lower() in (".png", ".jpg", ".jpeg")
  )
  if len(files) != row.frames:
    raise InputError(
      f"{path}: --images: {len(files)} PNG and JPEG files, scene {row.key} has"
      f" {row.frames} frames; give one of each"
    )
  images = [read_image(file) for file in files]
  for file, image in zip(files, images, strict=True):
    if image.shape != images[0].shape:
      raise InputError(
        f"{file}: {image.shape[1]} x {image.shape[0]} pixels, {files[0].name}"
        f" has {images[0].shape[1]} x {images[0].shape[0]}; make them equal"
      )
  return np.stack(images)
