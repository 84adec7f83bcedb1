"""Photos, or a video, as a scene to prepare."""

import dataclasses
import functools
import os
from pathlib import Path

from data_pipelines.photos import sfm
from data_pipelines.photos.estimate import Estimate, digest, estimate_in
from data_pipelines.photos.options import PhotoOptions
from data_pipelines.photos.source import find_source
from data_pipelines.sources.capture import load, pose_file
from data_pipelines.storage.builders import PICTURE
from data_pipelines.storage.recipes import (
  Groundwork,
  RawScene,
  Recipe,
  SceneLoader,
  Shape,
  SplitPlan,
  shape_option,
)


def plan(
  source: str | os.PathLike | None, split: str, options: PhotoOptions
) -> SplitPlan:
  """The plan of one scene, whose poses are estimated first."""
  found = find_source(source)
  sfm.check_available()
  assert source is not None
  described = {
    "size": shape_option(options.shape),
    **options.decides(),
    "scale": str(options.scale),
    "source": Path(source).resolve().name,
    "source_sha256": found.fingerprint(),
  }
  recipe = Recipe(
    "photos",
    split,
    described,
    options.holdout,
    options.image_format,
    strict=True,
  )
  empty = SplitPlan(recipe, [SceneLoader(found.key, _early)])
  run = functools.partial(_with_poses, empty, source, options)
  name = f"photos-{digest(found, options, options.shape)}"
  return dataclasses.replace(empty, groundwork=Groundwork(name, run))


def _early() -> RawScene:
  raise AssertionError("the groundwork is done first")


def _with_poses(
  plan: SplitPlan,
  source: str | os.PathLike,
  options: PhotoOptions,
  folder: Path,
) -> SplitPlan:
  """The plan of the estimate that a folder gets."""
  found = estimate_in(source, folder, options, options.shape)
  read = functools.partial(_load, found, os.fspath(source), options.shape)
  return dataclasses.replace(
    plan,
    scenes=[SceneLoader(plan.scenes[0].key, read)],
    files=((PICTURE, (folder / PICTURE).read_bytes()),),
    report={"poses": found.report},
    groundwork=None,
  )


def _load(found: Estimate, source: str, shape: Shape) -> RawScene:
  raw = load(found.folder, shape)
  # In their place stands the line of the estimate.
  told = [w for w in raw.warnings if "not in the model" not in w]
  if Path(source).is_dir() and (known := pose_file(Path(source))):
    told.append(f"{known} has poses, which --dataset=capture reads; ignored")
  return dataclasses.replace(
    raw,
    source=source,
    warnings=(found.line, *told),
    median_depth=found.report["median_depth"],
  )
