"""Posed frames of a capture."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from scenetok_jax.geometry.posed_pictures import Shot
from scenetok_jax.reading import videos
from scenetok_jax.reading.pictures import (
  Header,
  Picture,
  read_header,
  read_picture,
)
from scenetok_jax.types import InputError

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")


@dataclasses.dataclass(frozen=True)
class PosedFrame:
  """One frame before its pixels are read.

  name: what orders the frames in time. shot: its camera. image: file, or
  None for frame `index` of the capture's video. held_out: training must not
  see it.
  """

  name: str
  shot: Shot
  image: Path | None = None
  index: int = 0
  held_out: bool = False


@dataclasses.dataclass(frozen=True)
class Capture:
  """Frames in temporal order; video: where their pixels are, if in one."""

  frames: list[PosedFrame]
  video: Path | None = None
  warnings: tuple[str, ...] = ()


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
