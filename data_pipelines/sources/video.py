"""What the corpora of posed video share: options, recipe, frames."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data_pipelines.sources.posed_clips import PosedClip
from data_pipelines.storage.recipes import (
  FrameOptions,
  RawScene,
  Recipe,
  SceneLoader,
  SplitPlan,
  fingerprint,
  shape_option,
  unique,
)
from scenetok_jax.reading.images import open_image
from scenetok_jax.reading.orientation import UPRIGHT
from scenetok_jax.reading.pictures import read_header
from scenetok_jax.reading.schema import Ratio, Some
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class VideoOptions(FrameOptions):
  """How clips become scenes, and which are left out."""

  min_frames: Some = option(2, "drop scenes with fewer frames")
  # ours: handheld walks stay below 10, lost tracks exceed 50
  max_jump: Ratio = option(
    30.0,
    "drop scenes with a camera step of more than this many usual ones; 0"
    " keeps all",
  )


@dataclasses.dataclass(frozen=True)
class FoundClips:
  """Clips that a source holds: loaders by key, files that identify them."""

  clips: Sequence[tuple[str, Callable[[], PosedClip]]]
  files: Sequence[Path]


def check_source(
  dataset: str, source: str | os.PathLike | None, split: str
) -> Path:
  """The folder of raw data; InputError when it is missing."""
  if not source:
    raise InputError(
      f"--source: missing; give the folder of {dataset}, with {split}/ in it"
    )
  if not Path(source).is_dir():
    raise InputError(f"{source}: --source: no such folder; check the path")
  return Path(source)


def split_folder(source: Path, split: str) -> Path:
  """SOURCE/<split> where it is there, else SOURCE."""
  return source / split if (source / split).is_dir() else source


def plan_clips(
  dataset: str,
  source: Path,
  split: str,
  options: VideoOptions,
  found: FoundClips,
  more: dict[str, Any] | None = None,
) -> SplitPlan:
  """The plan of a split; more: what of the data set's own options decides."""
  described: dict[str, Any] = {
    "shape": shape_option(options.shape),
    **(more or {"images": None}),
    "source": source.resolve().name,
    "source_sha256": fingerprint(found.files, source),
  }
  recipe = Recipe(
    dataset,
    split,
    described,
    options.holdout,
    options.image_format,
    min_frames=options.min_frames,
    max_jump=options.max_jump,
  )
  scenes, repeated = unique([
    SceneLoader(key, functools.partial(_load, load, options))
    for key, load in found.clips
  ])  # fmt: skip
  return SplitPlan(recipe, scenes, repeated)


def _load(load: Callable[[], PosedClip], options: VideoOptions) -> RawScene:
  return raw_scene(load(), options)


def raw_scene(clip: PosedClip, options: FrameOptions) -> RawScene:
  """Frames of the asked shape; files kept as they are where nothing changes."""
  images, cameras, told = clip.render_told(options.shape)
  encoded = None
  if options.shape is None:
    files = tuple(clip.encoded(i) for i in range(len(clip)))
    plain = all(fitted.is_plain for fitted in clip.fits)
    if plain and all(_is_plain(file, options.image_format) for file in files):
      encoded = files
  warnings = (*clip.warnings, *told)
  return RawScene(
    images, cameras, clip.source, warnings, encoded, origin=clip.origin
  )


def _is_plain(file: bytes, image_format: str) -> bool:
  """A file of this format that decodes to RGB without conversion."""
  with open_image(file) as picture:
    same = (picture.format or "").lower() == image_format
    upright = read_header(file).tag == UPRIGHT
    return same and upright and picture.mode == "RGB"
