"""Procedural rooms as scenes to prepare."""

import dataclasses
import functools

from data_pipelines.rooms.clips import render_clip, scene_key
from data_pipelines.storage.recipes import (
  Holdout,
  Job,
  Plan,
  RawScene,
  Recipe,
  described,
)
from scenetok_jax.geometry import depth_images
from scenetok_jax.types import InputError

# Scene number at which the rooms of a split start: splits share no room.
FIRST_SCENE = {"train": 0, "test": 1_000_000, "val": 2_000_000}


@dataclasses.dataclass(frozen=True)
class Options:
  """Which rooms: numbers first_scene .. first_scene + scenes - 1 of a seed.

  aside: metres by which their walks are moved sideways. depth: frames hold
  the true depth as images (geometry.depth_images) instead of colours.
  """

  scenes: int
  frames: int
  size: int
  seed: int = 0
  first_scene: int = 0
  aside: float = 0.0
  depth: bool = False


def plan(
  split: str,
  options: Options,
  holdout: Holdout = Holdout(),
  image_format: str = "jpeg",
) -> Plan:
  """Recipe and jobs of a split of rooms."""
  if options.scenes < 1 or options.frames < 2:
    raise InputError(
      f"--scenes={options.scenes} --frames={options.frames}: at least 1 scene"
      " and 2 frames are needed"
    )
  first = options.first_scene
  jobs = [
    Job(
      scene_key(options.seed, number),
      functools.partial(_load, options, number),
    )
    for number in range(first, first + options.scenes)
  ]
  fields = described(options, extras=("aside", "depth"))
  recipe = Recipe("rooms", split, fields, holdout, image_format)
  return Plan(recipe, jobs)


def _load(options: Options, number: int) -> RawScene:
  clip = render_clip(
    options.seed, number, options.frames, options.size, aside=options.aside
  )
  source = f"rooms seed={options.seed} scene={number}"
  if options.aside:
    source += f" aside={options.aside:g}"
  if options.depth:
    source, images = f"{source} depth", depth_images.encode(clip.depth)
  else:
    images = clip.images
  return RawScene(images, clip.cameras, source)
