"""DL3DV: <split>/<scene>/[nerfstudio/]{images_*/, transforms.json}.

transforms.json has camera-to-world matrices in OpenGL axes and intrinsics in
pixels of the original w x h images; the stored images are smaller. Frames are
matched to images by name and sub-folders, so either may be partial and in any
order.
"""

import dataclasses
import functools
import itertools
import os
from pathlib import Path

import numpy as np

from data_pipelines.sources.capture.frames import image_header
from data_pipelines.sources.notes import counted
from data_pipelines.sources.posed_clips import PosedClip, read_bytes
from scenetok_jax.geometry import origins
from scenetok_jax.geometry.camera_checks import check_cameras
from scenetok_jax.geometry.lenses import Lens
from scenetok_jax.geometry.posed_pictures import Fitted, fit
from scenetok_jax.geometry.transforms_json import read_object, read_transforms
from scenetok_jax.reading.image_search import (
  image_folders,
  index,
  named,
  natural_key,
)
from scenetok_jax.types import Cameras, InputError

TRANSFORMS = "transforms.json"


def scene_folders(folder: str | os.PathLike) -> list[Path]:
  """Scene folders of a split, sorted by name."""
  folder = Path(folder)
  if not folder.is_dir():
    raise InputError(f"{folder}: no such folder; check --source and --split")
  return sorted(
    path
    for path in folder.iterdir()
    if path.is_dir() and not path.name.startswith(".")
  )


def read_scene(
  root: str | os.PathLike,
  images: str | None = None,
  size: tuple[int, int] | None = None,
  *,
  distorted: bool = False,
) -> PosedClip:
  """One scene, its frames in the order of their names.

  Args:
    root: the scene's folder.
    images: image folder, such as "images_4"; None takes the smallest one
      that is at least `size` (h, w), or else the largest.
    size: see `images`.
    distorted: take the lens for a pinhole, as the release does.

  Raises:
    InputError: no poses, no images, or a field that is wrong.
  """
  root = Path(root)
  base = _base(root)
  path = base / TRANSFORMS
  entries = read_transforms(path)
  folder = _image_folder(base, images, size)
  there = _images_by_name(folder)
  frames: dict[Path, Fitted] = {}
  missing = []
  for entry in entries:
    name = entry.name()
    file = named(name, folder, there, f"{entry.where}.file_path")
    if file is None:
      missing.append(name)
      continue
    if file in frames:
      raise InputError(
        f"{entry.where}.file_path: image {name!r} has a pose already; remove"
        " one of the two frames"
      )
    header = functools.partial(image_header, file)
    shot = entry.shot(header)
    if distorted:
      shot = dataclasses.replace(shot, lens=Lens())
    frames[file] = fit(shot, header())
  if not frames:
    raise InputError(
      f"{path}: none of its {len(entries)} frames has an image in {folder};"
      " fetch the images"
    )
  count = sum(map(len, there.values()))
  notes = _partial(folder, missing, count - len(frames))
  return _clip(root.name, path, frames, notes)


def original_size(root: str | os.PathLike) -> tuple[float, float]:
  """(w, h) of transforms.json: the images that its pixels are of."""
  document = read_object(_base(Path(root)) / TRANSFORMS)
  return float(document["w"]), float(document["h"])


def _clip(
  key: str, path: Path, frames: dict[Path, Fitted], notes: tuple[str, ...]
) -> PosedClip:
  """Frames by image -> a clip in the order of the names."""
  ordered = sorted(frames, key=lambda p: natural_key(os.fspath(p)))
  fits = [frames[file] for file in ordered]
  given = np.array([fitted.c2w for fitted in fits])
  origin = origins.clip_origin(given)
  poses = origins.moved(given, origin)
  lenses = np.array([fitted.intrinsics for fitted in fits])
  names = "transform_matrix", "intrinsics"
  check_cameras(poses, lenses, os.fspath(path), names=names)
  return PosedClip(
    key=key,
    source=os.fspath(path),
    cameras=Cameras(poses.astype(np.float32), lenses.astype(np.float32)),
    frames=[functools.partial(read_bytes, file) for file in ordered],
    names=[os.fspath(file) for file in ordered],
    warnings=(
      *notes,
      *counted(fitted.notes for fitted in fits),
      *origins.note(origin),
    ),
    fits=fits,
    origin=tuple(origin.tolist()),
  )


def transforms_files(root: Path) -> list[Path]:
  """transforms.json of a scene's folder, and of nerfstudio/ in it."""
  places = (root / TRANSFORMS, root / "nerfstudio" / TRANSFORMS)
  return [path for path in places if path.is_file()]


def _base(root: Path) -> Path:
  """The folder with transforms.json: the scene's, or nerfstudio/ in it."""
  for path in transforms_files(root):
    return path.parent
  raise InputError(
    f"{root}: no {TRANSFORMS} in it nor in nerfstudio/; fetch the poses of"
    " this scene"
  )


def _image_folder(
  base: Path, name: str | None, size: tuple[int, int] | None
) -> Path:
  """The image folder asked for, or the smallest that is large enough."""
  if name is not None:
    if name != Path(name).name or not (base / name).is_dir():
      raise InputError(f"{base / name}: no such folder; fetch the images")
    return base / name
  sizes = []
  for folder in image_folders(base):
    files = [path for same in _images_by_name(folder).values() for path in same]
    if files:
      sizes.append((image_header(min(files)).shown, folder))
  if not sizes:
    raise InputError(
      f"{base}: no folder images or images_N with images in it; fetch them"
    )
  sizes.sort(key=lambda item: item[0])
  height, width = size or (np.inf, np.inf)
  enough = [f for (w, h), f in sizes if w >= width and h >= height]
  return enough[0] if enough else sizes[-1][1]


def _images_by_name(folder: Path) -> dict[str, list[Path]]:
  """Images of a folder and its sub-folders, by name without suffix.

  InputError: two of one name in one place (x.jpg, x.png).
  """
  found = index(folder)
  for files in found.values():
    for path, other in itertools.pairwise(files):
      if path.parent == other.parent:
        raise InputError(f"{other}: {path.name} has the same name; remove one")
  return found


def _partial(folder: Path, missing: list[str], poseless: int) -> tuple:
  """Notes on frames that lack an image or a pose; they are left out."""
  notes = []
  if missing:
    notes.append(
      f"{len(missing)} frames without an image in {folder.name} left out"
      f" ({missing[0]}{', ...' if len(missing) > 1 else ''})"
    )
  if poseless:
    notes.append(f"{poseless} images of {folder.name} have no pose, left out")
  return tuple(notes)
