"""Posed frames of a capture, and finding the images they name."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.reading import videos
from scenetok_jax.reading.pictures import (
  Header,
  Picture,
  read_header,
  read_picture,
)
from scenetok_jax.reading.schema import Text, checked
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

IMAGE_SUFFIXES = (
  *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"),
  *(".avif", ".heic", ".heif", ".exr"),  # by an extra, or with a hint
)
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")


_ImageName = Annotated[str, Text(1, 4096)]
_LONGEST = 240  # bytes of a part, to which a suffix may come


@dataclasses.dataclass(frozen=True)
class PosedFrame:
  """One frame before its pixels are read.

  name: what orders the frames in time. shot: its camera. image: file, or
  None for frame `index` of the capture's video.
  """

  name: str
  shot: Shot
  image: Path | None = None
  index: int = 0


@dataclasses.dataclass(frozen=True)
class Capture:
  """Frames in temporal order; video: where their pixels are, if in one."""

  frames: list[PosedFrame]
  video: Path | None = None
  warnings: tuple[str, ...] = ()


def natural_key(name: str) -> list:
  """Sort key that counts: frame_2 before frame_10."""
  parts = re.split(r"([0-9]{1,4000})", name)  # int() takes no more
  return [int(p) if p.isascii() and p.isdigit() else p.lower() for p in parts]


def image_header(path: Path) -> Header:
  """Size and orientation of an image file."""
  try:
    return read_header(path)
  except Exception as error:  # PIL raises many types on damaged files
    raise unreadable(path, error) from None


def read_image(path: Path) -> Picture:
  """The upright picture of an image file."""
  try:
    return read_picture(path)
  except Exception as error:
    raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> InputError:
  """What to say about an image or a video that cannot be decoded."""
  return InputError(
    f"{path}: cannot be decoded ({error}); replace it, or remove its frames"
    " from the poses"
  )


def image_folders(root: Path) -> list[Path]:
  """Folders images, images_2, images_4, ... of a capture, largest first."""
  folders = (p for p in root.iterdir() if p.is_dir())
  return sorted(
    (p for p in folders if re.fullmatch(r"images?(_\d+)?|rgb|frames", p.name)),
    key=lambda p: natural_key(p.name),
  )


class ImageFinder:
  """Finds the image that a pose file names, inside the capture only."""

  def __init__(self, root: Path):
    self._root = root
    # Poses in nerfstudio/transforms.json may name images beside that folder.
    parents = [root, root.parent] if root.name == "nerfstudio" else [root]
    self._folders = [f for p in parents for f in image_folders(p)]
    self._top = parents[-1].resolve()
    self._stems: dict[Path, dict[str, Path]] = {}
    self._taken: dict[Path, str] = {}

  def find(self, name: str, where: str) -> Path:
    """The image called `name`: by path, by name, by name without suffix.

    Raises:
      InputError: no such image, or another frame has it already.
    """
    checked(name, _ImageName, where, "rename the image")
    long = any(len(part.encode()) > _LONGEST for part in name.split("/"))
    path = None if long else self._by_path(name) or self._by_name(name)
    if path is None:
      raise InputError(
        f"{where}: image {shown(name)} is not in {self._root}; add the image or"
        " remove its frame"
      )
    if not path.resolve().is_relative_to(self._top):
      raise InputError(
        f"{where}: image {path} is a link that leaves the capture; put the"
        " image itself there"
      )
    if path in self._taken:
      raise InputError(
        f"{where}: image {path} belongs to {self._taken[path]} too; remove"
        " one of the two frames"
      )
    self._taken[path] = where
    return path

  def _by_path(self, name: str) -> Path | None:
    base = self._root / name
    candidates = [base, *(Path(f"{base}{s}") for s in IMAGE_SUFFIXES)]
    for path in candidates:
      inside = path.resolve().is_relative_to(self._top)
      if inside and path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return path
    return None

  def _by_name(self, name: str) -> Path | None:
    wanted = Path(name.replace("\\", "/"))
    for folder in self._folders:
      if (folder / wanted.name).is_file():
        return folder / wanted.name
    for folder in self._folders:
      stem = wanted.stem if wanted.suffix in IMAGE_SUFFIXES else wanted.name
      if path := self._index(folder).get(stem):
        return path
    return None

  def _index(self, folder: Path) -> dict[str, Path]:
    if folder not in self._stems:
      files = sorted(folder.iterdir(), reverse=True)
      self._stems[folder] = {
        p.stem: p for p in files if p.suffix.lower() in IMAGE_SUFFIXES
      }
    return self._stems[folder]


def find_video(root: Path, where: str) -> Path:
  """The only video in a folder; InputError when there is none, or more."""
  videos = sorted(
    p
    for p in root.iterdir()
    if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()
  )
  videos = [p for p in videos if p.resolve().is_relative_to(root.resolve())]
  if len(videos) != 1:
    raise InputError(
      f"{where}: frames are numbered, so {root} must hold one video; it holds"
      f" {len(videos)}"
    )
  return videos[0]


def video_frames(capture: Capture) -> Iterator[tuple[int, Picture]]:
  """(frame number, picture), reading the video once."""
  assert capture.video is not None
  wanted = {frame.index: i for i, frame in enumerate(capture.frames)}
  found = 0
  try:
    for index, frame in enumerate(videos.video_frames(capture.video)):
      if index in wanted:
        found += 1
        yield wanted[index], frame.picture()
      if found == len(wanted):
        return
  except InputError:
    raise
  except (OSError, ValueError) as error:
    raise unreadable(capture.video, error) from None
  raise InputError(
    f"{capture.video}: the video has {found} of the {len(wanted)} posed"
    " frames; replace it or remove the poses beyond its end"
  )
