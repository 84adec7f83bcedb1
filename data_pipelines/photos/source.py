"""Where the photos of a source are: a folder of pictures, or a video."""

import dataclasses
import os
from pathlib import Path

from data_pipelines.sources.capture.frames import VIDEO_SUFFIXES
from data_pipelines.storage.recipes import fingerprint
from scenetok_jax.reading.image_search import (
  image_folders,
  is_image,
  natural_key,
)
from scenetok_jax.types import InputError, check_key

FEWEST = 3  # pictures: the mapper takes points that three of them see


@dataclasses.dataclass(frozen=True)
class Source:
  """key: of the scene. files: photos in order of their names, or one video."""

  key: str
  files: tuple[Path, ...]
  is_video: bool

  def fingerprint(self) -> str:
    """Hash of the names and sizes of the files."""
    return fingerprint(self.files, self.files[0].parent)


def find_source(path: str | os.PathLike | None) -> Source:
  """The photos of a folder, else its only video; or that video itself.

  Photos lie in the folder or in images/, input/, ... of it.
  Raises InputError: neither, or too few photos.
  """
  if not path:
    raise InputError("--source: missing; give a folder of photos, or a video")
  root = Path(path)
  if root.is_file():
    if root.suffix.lower() not in VIDEO_SUFFIXES:
      raise InputError(
        f"{root}: --source: no video ({', '.join(VIDEO_SUFFIXES)}); give one,"
        " or the folder of the photos"
      )
    return Source(check_key(root.stem, f"{root}: --source:"), (root,), True)
  if not root.is_dir():
    raise InputError(f"{root}: --source: no such folder or video; check it")
  key = check_key(root.resolve().name, f"{root}: --source:")
  for folder in (root, *image_folders(root)):
    files = sorted(
      (f for f in folder.iterdir() if is_image(f) and f.is_file()),
      key=lambda f: natural_key(f.name),
    )
    if len(files) >= FEWEST:
      return Source(key, tuple(files), False)
  videos = [f for f in root.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES]
  if len(videos) == 1:
    return Source(key, (videos[0],), True)
  raise InputError(
    f"{root}: --source: fewer than {FEWEST} photos and {len(videos)} videos in"
    " it; give a folder of photos, or one video"
  )
