"""A user's own captures (images with known cameras) as scenes to prepare.

A capture is a folder with one of
  transforms.json or nerfstudio/transforms.json   (nerfstudio, instant-ngp)
  poses.json                                      (plain list of matrices)
  sparse/0, colmap/sparse/0 or sparse             (COLMAP, text or binary)
and its images; see docs/data_sources.md.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.sources.capture import (
  colmap,
  colmap_models,
  frames,
  poses,
  transforms,
)
from data_pipelines.sources.capture.frames import Capture, PosedFrame
from data_pipelines.sources.notes import counted
from data_pipelines.storage.recipes import (
  FrameOptions,
  RawScene,
  Recipe,
  SceneLoader,
  Shape,
  SplitPlan,
  fingerprint,
  parse_shape,
  shape_option,
  size_option,
)
from scenetok_jax.geometry import origins
from scenetok_jax.geometry.camera_checks import check_intrinsics, check_rigid
from scenetok_jax.geometry.origins import clip_origin
from scenetok_jax.geometry.posed_pictures import fit
from scenetok_jax.reading.image_search import image_folders, is_image
from scenetok_jax.reading.pictures import Picture
from scenetok_jax.reading.shown import sides
from scenetok_jax.types import Cameras, InputError, naming

_READERS: dict[str, Callable[[Path], Capture]] = {
  "transforms.json": transforms.read,
  "nerfstudio/transforms.json": transforms.read,
  "poses.json": poses.read,
  "transforms_train.json": transforms.read,  # Blender's
}


@dataclasses.dataclass(frozen=True)
class CaptureOptions(FrameOptions):
  """How captures become scenes."""

  size: Any = size_option(64)


def plan(
  source: str | os.PathLike | None, split: str, options: CaptureOptions
) -> SplitPlan:
  """The plan of one capture, or of a folder of captures.

  Bad input stops a single capture; in a folder it drops the capture.
  """
  if not source:
    raise InputError("--source: missing; give a capture or a folder of them")
  source = Path(source)
  roots = discover(source)
  files = [f for root in roots for f in _files(root)]
  described = {
    "size": shape_option(options.shape),
    "source": source.resolve().name,
    "source_sha256": fingerprint(files, source),
  }
  recipe = Recipe(
    "capture",
    split,
    described,
    options.holdout,
    options.image_format,
    strict=roots == [source],
  )
  scenes = [
    SceneLoader(
      root.resolve().name, functools.partial(load, root, options.shape)
    )
    for root in roots
  ]
  return SplitPlan(recipe, scenes)


def discover(source: Path) -> list[Path]:
  """[source] if it is a capture itself, else its sub-folders, sorted."""
  if not source.is_dir():
    raise InputError(f"{source}: --source: no such folder; check the path")
  folders = sorted(
    path
    for path in source.iterdir()
    if path.is_dir() and not path.name.startswith(".")
  )
  if pose_file(source) is None and any(map(pose_file, folders)):
    return folders
  if pose_file(source) or _holds_images(source):
    return [source]
  if not folders:
    raise InputError(f"{source}: {_nothing_found()}")
  return folders


def read(root: Path) -> tuple[str, Capture]:
  """A capture's pose file, relative to it, and its frames in temporal order.

  InputError where there is none, or it is wrong.
  """
  name = pose_file(root)
  if name is None:
    raise InputError(f"{root}: {_nothing_found()}")
  if reader := _READERS.get(name):
    return name, reader(root / name)
  return name, colmap.read(root / name, root)


def load(root: Path, size: int | Shape) -> RawScene:
  """Reads a capture as frames of one size in temporal order.

  Frames are resized until they cover the asked square or (h, w) and cropped
  at the centre; focal lengths and principal points follow exactly. With None
  they are kept as they are.
  """
  shape = parse_shape(size)
  name, capture = read(root)
  source = os.fspath(root / name)
  pictures: list[np.ndarray] = []
  poses, intrinsics, notes, hidden = [], [], [], []
  for frame, picture in _pictures(capture):
    hidden += [len(pictures)] if frame.held_out else []
    fitted = fit(frame.shot, picture.header)
    image, matrix = fitted.picture(picture), fitted.intrinsics
    with naming(frame.shot.where):
      if shape is not None:
        image, matrix = rescale_and_crop(image, matrix, shape, move_centre=True)
      elif pictures and image.shape != pictures[0].shape:
        raise InputError(
          f"image is {sides(image.shape)}, the first one"
          f" {sides(pictures[0].shape)}; give a --size"
        )
      check_intrinsics(matrix, "intrinsics", image.shape[:2])
    pictures.append(image)
    poses.append(fitted.c2w)
    intrinsics.append(matrix)
    notes.append((*picture.notes, *fitted.notes))
  if not pictures:
    raise InputError(f"{source}: no frame has an image; add images")
  origin = clip_origin(np.array(poses))
  moved = origins.moved(np.array(poses), origin)
  check_rigid(moved, f"{source}: frames in order of time")
  cameras = Cameras(moved.astype(np.float32), np.array(intrinsics, np.float32))
  unposed = _unposed(capture) if name in _READERS else ()
  told = (*unposed, *counted(notes), *origins.note(origin))
  warnings = (*capture.warnings, *told)
  return RawScene(
    np.stack(pictures),
    cameras,
    source,
    warnings,
    origin=tuple(origin.tolist()),
    held_out=tuple(hidden),
  )


def _pictures(capture: Capture) -> Iterator[tuple[PosedFrame, Picture]]:
  """All frames with their pictures, in temporal order."""
  if capture.video is not None:
    for number, picture in frames.video_frames(capture):
      yield capture.frames[number], picture
    return
  for frame in capture.frames:
    if frame.image is not None:
      yield frame, frames.read_image(frame.image)


def _unposed(capture: Capture) -> tuple[str, ...]:
  """A note on images beside the posed ones, of which nothing is read."""
  used = {frame.image for frame in capture.frames if frame.image is not None}
  folders = sorted({path.parent for path in used})
  files = [path for folder in folders for path in folder.iterdir()]
  images = [path for path in files if is_image(path)]
  others = sorted(set(images) - used)
  if not others:
    return ()
  return (
    f"{len(others)} of {len(images)} images have no pose, left out"
    f" ({others[0].name}{', ...' if others[1:] else ''})",
  )


def _files(root: Path) -> list[Path]:
  """All files of a capture, those of linked image folders as well."""
  linked = (f for f in image_folders(root) if f.is_symlink())
  places = [root, *linked]
  return [f for place in places for f in place.rglob("*") if f.is_file()]


def pose_file(root: Path) -> str | None:
  """Which pose file or model a folder holds, relative to it."""
  for name in _READERS:
    if (root / name).is_file():
      return name
  model = colmap_models.find(root)
  return os.fspath(model.relative_to(root)) if model else None


def _holds_images(root: Path) -> bool:
  """A folder of images: meant as a capture even without poses."""
  return any(map(is_image, root.iterdir())) or bool(image_folders(root))


def _nothing_found() -> str:
  return (
    "no transforms.json, transforms_train.json, poses.json or COLMAP model"
    " (sparse/0) in it; add one, give a folder of captures as --source, or have"
    " poses estimated: scenetok prepare --dataset=photos, or render and encode"
    " with --estimate-poses"
  )
