"""The frames that pose-score judges: of data, of a folder, or rendered."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from data_pipelines import records
from scenetok_jax.cli import assemble, devices, rendering
from scenetok_jax.cli.paths import CameraPath
from scenetok_jax.cli.scenes import open_prepared
from scenetok_jax.media import read_image, write_frames
from scenetok_jax.sampling.encode import encode_scenes
from scenetok_jax.sampling.video import video_program
from scenetok_jax.types import Cameras, InputError


@dataclasses.dataclass(frozen=True)
class Clip:
  """Frames to judge, uint8 [T H W 3], and the poses they ought to show [T].

  real: frames that a distance between sets compares with; None without.
  """

  key: str
  images: np.ndarray
  cameras: Cameras
  real: np.ndarray | None = None


def _scene_keys(args: argparse.Namespace) -> list[str]:
  split = args.split or assemble.evaluation_split(args.data)
  rows = records.Dataset(args.data, split).scenes
  if args.scene is not None:
    return [args.scene]
  return [row.key for row in rows[: args.scenes]]


def given(args: argparse.Namespace) -> list[Clip]:
  """Frames of the data, or of --images in their place."""
  split = args.split or assemble.evaluation_split(args.data)
  dataset = records.Dataset(args.data, split)
  clips = []
  for key in _scene_keys(args):
    row = dataset.scene(key)
    frames = np.arange(0, row.frames, args.every)
    if args.images:
      images, cameras = _folder(args.images), dataset.cameras(row)
      if len(images) != row.frames:
        raise InputError(
          f"{args.images}: {len(images)} images, scene {row.key} has"
          f" {row.frames} frames; give one of each"
        )
      images = images[frames]
      cameras = jax.tree.map(lambda a, frames=frames: a[frames], cameras)
    else:
      images, cameras = dataset.read_frames(row, frames)
    clips.append(Clip(row.key, images, cameras))
  return clips


def _folder(path: str) -> np.ndarray:
  """All PNG and JPEG files of a folder by name: uint8 [T H W 3]."""
  files = sorted(
    file
    for file in Path(path).glob("*")
    if file.suffix.lower() in (".png", ".jpg", ".jpeg")
  )
  if not files:
    raise InputError(f"{path}: --images: no PNG or JPEG in it; check the path")
  images = [read_image(file) for file in files]
  for file, image in zip(files, images, strict=True):
    if image.shape != images[0].shape:
      raise InputError(
        f"{file}: {image.shape[1]} x {image.shape[0]} pixels, {files[0].name}"
        f" has {images[0].shape[1]} x {images[0].shape[0]}; make them equal"
      )
  return np.stack(images)


def rendered(args: argparse.Namespace) -> list[Clip]:
  """Each scene along its own path, or the next scene's tokens along it.

  A path is taken over relative to the middle context view of either scene.
  """
  run = assemble.load_run(args.workdir)
  options = rendering.render_options(run, args)
  noise_key, token_key = jax.random.split(jax.random.key(args.seed))
  clips = []
  with devices.on_devices(run, 1) as run:
    program = video_program(run.system, options)
    opened = [
      open_prepared(run, args.data, args.split, key)
      for key in _scene_keys(args)
    ]
    for i, scene in enumerate(opened):
      source = opened[(i + 1) % len(opened)] if args.transfer else scene
      context: Any = jax.tree.map(
        lambda a: np.asarray(a)[None], source.context_views
      )
      deterministic = run.config.sampling.deterministic
      tokens = encode_scenes(
        run.system,
        run.params,
        context,
        source.reference[None],
        None if deterministic else token_key,
      )
      frames = np.arange(0, len(scene.clip.cameras.extrinsics), args.every)
      target = scene.take(frames)
      video = rendering.render(
        run,
        tokens,
        scene.reference,
        CameraPath(scene.key, target.cameras),
        jax.random.fold_in(noise_key, i),
        options,
        label=scene.key,
        program=program,
      )[0, 0]
      folder = Path(args.out) / scene.key
      write_frames(folder, video)
      kept = Cameras(
        target.cameras.extrinsics[: len(video)],
        target.cameras.intrinsics[: len(video)],
      )
      real = np.asarray(source.clip.images)
      clips.append(Clip(scene.key, video, kept, real))
  return clips
