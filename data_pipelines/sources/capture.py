"""A user's own captures (images with known cameras) as scenes to prepare.

A capture is a folder with one of
  transforms.json or nerfstudio/transforms.json   (nerfstudio, instant-ngp)
  poses.json                                      (plain list of matrices)
  sparse/0, colmap/sparse/0 or sparse             (COLMAP, text or binary)
and its images; see docs/data.md.
"""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.sources import (
  capture_colmap,
  capture_frames,
  capture_poses,
  capture_transforms,
)
from data_pipelines.sources.capture_frames import Capture, PosedFrame
from data_pipelines.storage.recipes import (
  Holdout,
  Job,
  Plan,
  RawScene,
  Recipe,
  Shape,
  fingerprint,
  shape_option,
)
from scenetok_jax.types import Cameras, InputError

# Rounding of image sizes changes the aspect by less, swapped sides by more.
_ASPECT_TOLERANCE = 0.02

_READERS: dict[str, Callable[[Path], Capture]] = {
  "transforms.json": capture_transforms.read,
  "nerfstudio/transforms.json": capture_transforms.read,
  "poses.json": capture_poses.read,
  "sparse/0": capture_colmap.read,
  "colmap/sparse/0": capture_colmap.read,
  "sparse": capture_colmap.read,
}


def plan(
  split: str,
  source: str | os.PathLike,
  size: int | Shape,
  holdout: Holdout = Holdout(),
  image_format: str = "jpeg",
) -> Plan:
  """Recipe and jobs for one capture, or for a folder of captures.

  Bad input stops a single capture; in a folder it drops the capture.
  """
  source = Path(source)
  roots = discover(source)
  files = [f for root in roots for f in root.rglob("*") if f.is_file()]
  options = {
    "size": shape_option(_shape(size)),
    "source": source.resolve().name,
    "source_sha256": fingerprint(files, source),
  }
  single = roots == [source]
  recipe = Recipe(
    "capture", split, options, holdout, image_format, strict=single
  )
  jobs = [
    Job(root.resolve().name, functools.partial(load, root, size))
    for root in roots
  ]
  return Plan(recipe, jobs)


def discover(source: Path) -> list[Path]:
  """[source] if it is a capture itself, else its sub-folders, sorted."""
  if not source.is_dir():
    raise InputError(f"{source}: --source: no such folder; check the path")
  folders = sorted(
    path
    for path in source.iterdir()
    if path.is_dir() and not path.name.startswith(".")
  )
  if _pose_file(source) is None and any(map(_pose_file, folders)):
    return folders
  if _pose_file(source) or _holds_images(source):
    return [source]
  if not folders:
    raise InputError(f"{source}: {_nothing_found()}")
  return folders


def load(root: Path, size: int | Shape) -> RawScene:
  """Reads a capture as frames of one size in temporal order.

  Frames are resized until they cover the asked square or (h, w) and cropped
  at the centre; focal lengths and principal points follow exactly. With None
  they are kept as they are.
  """
  shape = _shape(size)
  pose_file = _pose_file(root)
  if pose_file is None:
    raise InputError(f"{root}: {_nothing_found()}")
  capture = _READERS[pose_file](root / pose_file)
  pictures: list[np.ndarray] = []
  intrinsics, order = [], []
  for number, image in _images(capture):
    frame = capture.frames[number]
    try:
      matrix = _normalised(frame, image)
      if shape is not None:
        image, matrix = rescale_and_crop(image, matrix, shape, move_centre=True)
      elif pictures and image.shape != pictures[0].shape:
        raise InputError(
          f"image is {image.shape[0]}x{image.shape[1]}, the first one"
          f" {pictures[0].shape[0]}x{pictures[0].shape[1]}; give a --size"
        )
    except InputError as error:
      raise InputError(f"{frame.where}: {error}") from None
    pictures.append(image)
    intrinsics.append(matrix)
    order.append(number)
  cameras = Cameras(
    extrinsics=np.array(
      [capture.frames[i].c2w for i in order], np.float32
    ).reshape(-1, 4, 4),
    intrinsics=np.array(intrinsics, np.float32).reshape(-1, 3, 3),
  )
  if not pictures:
    raise InputError(f"{root / pose_file}: no frame has an image; add images")
  images = np.stack(pictures)
  source = os.fspath(root / pose_file)
  return RawScene(images, cameras, source, capture.warnings)


def _shape(size: int | Shape) -> Shape:
  return (size, size) if isinstance(size, int) else size


def _images(capture: Capture) -> Iterator[tuple[int, np.ndarray]]:
  """(frame number, uint8 [H, W, 3]) of all frames, in temporal order."""
  if capture.video is not None:
    yield from capture_frames.video_frames(capture)
    return
  for number, frame in enumerate(capture.frames):
    if frame.image is not None:
      yield number, capture_frames.read_image(frame.image)


def _normalised(frame: PosedFrame, image: np.ndarray) -> np.ndarray:
  """Pixel intrinsics -> [3, 3] divided by the size they were made for."""
  height, width = image.shape[:2]
  declared_width, declared_height = frame.size or (width, height)
  ratio = declared_width / declared_height / (width / height)
  if abs(ratio - 1) > _ASPECT_TOLERANCE:
    raise InputError(
      f"w, h: {declared_width:g}x{declared_height:g} has another"
      f" shape than the image, {width}x{height}; correct w and h"
    )
  scale = np.array([1 / declared_width, 1 / declared_height, 1.0])
  return frame.intrinsics * scale[:, None]


def _pose_file(root: Path) -> str | None:
  """Which pose file or model a folder holds, relative to it."""
  for name in _READERS:
    path = root / name
    found = path.is_file() if path.suffix else capture_colmap.is_model(path)
    if found:
      return name
  return None


def _holds_images(root: Path) -> bool:
  """A folder of images: meant as a capture even without poses."""
  names = capture_frames.IMAGE_SUFFIXES
  loose = any(path.suffix.lower() in names for path in root.iterdir())
  return loose or bool(capture_frames.image_folders(root))


def _nothing_found() -> str:
  return (
    "no transforms.json, poses.json or COLMAP model (sparse/0) in it; add one"
    " or give a folder of captures as --source"
  )
