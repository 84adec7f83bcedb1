"""Procedural rooms as scenes to prepare."""

import dataclasses
import functools
import os
from typing import Any

from data_pipelines.rooms.clips import render_clip, scene_key
from data_pipelines.sources.generated import GeneratedOptions
from data_pipelines.storage.recipes import (
  RawScene,
  Recipe,
  SceneLoader,
  SplitPlan,
  size_option,
)
from scenetok_jax.geometry import depth_images
from scenetok_jax.geometry.scale import middle
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class RoomOptions(GeneratedOptions):
  """Which rooms, and what of them.

  depth: frames hold the true depth as images (geometry.depth_images).
  """

  size: Any = size_option(64)
  depth: bool = option(
    False,
    "the same rooms with the true depth in place of colours (log metres as"
    " grey levels; needs --image-format=png)",
    elsewhere="only for rooms; furnished ones have it beside",
  )


def plan(
  source: str | os.PathLike | None, split: str, options: RoomOptions
) -> SplitPlan:
  """The plan of a split of rooms; source: None, rooms are generated."""
  if source:
    raise InputError("--source: rooms are generated; leave --source out")
  if options.depth and options.image_format != "png":
    raise InputError(
      f"--depth: --image-format={options.image_format} would change depths;"
      " add --image-format=png"
    )
  fields = options.describe(split)
  if options.depth:
    fields["depth"] = True
  first = options.first(split)
  scenes = [
    SceneLoader(
      scene_key(options.seed, number), functools.partial(_load, options, number)
    )
    for number in range(first, first + options.scenes)
  ]
  recipe = Recipe("rooms", split, fields, options.holdout, options.image_format)
  return SplitPlan(recipe, scenes)


def _load(options: RoomOptions, number: int) -> RawScene:
  offset = options.lateral_offset
  clip = render_clip(
    options.seed, number, options.frames, options.side, lateral_offset=offset
  )
  source = f"rooms seed={options.seed} scene={number}"
  if offset:
    source += f" aside={offset:g}"
  if options.depth:
    source, images = f"{source} depth", depth_images.encode(clip.depth)
  else:
    images = clip.images
  seen = middle(clip.depth)
  return RawScene(images, clip.cameras, source, median_depth=seen)
