"""Images that files of poses name: where they lie in a capture."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from scenetok_jax.reading.schema import Text, checked
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

IMAGE_SUFFIXES = (
  *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"),
  *(".avif", ".heic", ".heif", ".exr"),  # by an extra, or with a hint
)

_ImageName = Annotated[str, Text(1, 4096)]
_LONGEST = 240  # bytes of a part, to which a suffix may come
# "input": what gaussian-splatting's scripts start from.
_FOLDERS = re.compile(r"images?(_\d+)?|rgb|frames|input")
_Parts = tuple[str, ...]


def natural_key(name: str) -> list:
  """Sort key that counts: frame_2 before frame_10."""
  parts = re.split(r"([0-9]{1,4000})", name)  # int() takes no more
  return [int(p) if p.isascii() and p.isdigit() else p.lower() for p in parts]


def is_image(path: Path) -> bool:
  """Whether a name is one of an image that is read."""
  return path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."


def image_folders(root: Path) -> list[Path]:
  """Folders images, images_2, images_4, ... of a capture, largest first."""
  folders = (p for p in root.iterdir() if p.is_dir())
  return sorted(
    (p for p in folders if _FOLDERS.fullmatch(p.name)),
    key=lambda p: natural_key(p.name),
  )


class ImageFinder:
  """Finds the image that a pose file names, inside the capture only.

  An image folder itself may be a link: it is where the user put it.
  """

  def __init__(self, root: Path, first: str = "") -> None:
    """first: the folder in which images are looked for before others."""
    self._root = root
    # Poses in nerfstudio/transforms.json may name images beside that folder.
    parents = [root, root.parent] if root.name == "nerfstudio" else [root]
    folders = [f for p in parents for f in image_folders(p)]
    folders.sort(key=lambda folder: folder.name != first)
    self._folders = folders
    self._inside = [parents[-1].resolve(), *(f.resolve() for f in folders)]
    self._files: dict[Path, dict[str, list[Path]]] = {}
    self._taken: dict[Path, str] = {}

  def find(self, name: str, where: str) -> Path:
    """The image called `name`, with or without its suffix.

    By path; else the one whose folders agree with those of the name as far as
    both have them. InputError: no such image, several, or another frame's.
    """
    path = self.look(name, where)
    if path is None:
      raise InputError(
        f"{where}: image {shown(name)} is not in {self._root}; add the image or"
        " remove its frame"
      )
    if path in self._taken:
      raise InputError(
        f"{where}: image {path} belongs to {self._taken[path]} too; remove"
        " one of the two frames"
      )
    self._taken[path] = where
    return path

  def look(self, name: str, where: str) -> Path | None:
    """find without keeping what was found; None where there is none."""
    checked(name, _ImageName, where, "rename the image")
    if any(len(part.encode()) > _LONGEST for part in name.split("/")):
      return None
    path = self._by_path(name) or self._by_parts(name, where)
    if path and not self._is_inside(path):
      raise InputError(
        f"{where}: image {path} is a link that leaves the capture; put the"
        " image itself there"
      )
    return path

  def left_out(self) -> int:
    """How many images lie where those that were found do, besides them."""
    folders = [
      f for f in self._folders if any(f in p.parents for p in self._taken)
    ]
    files = [p for f in folders for p in _images(f, deep=True)]
    return len({*files} - self._taken.keys())

  def _is_inside(self, path: Path) -> bool:
    found = path.resolve()
    return any(found.is_relative_to(place) for place in self._inside)

  def _by_path(self, name: str) -> Path | None:
    bases = [folder / name for folder in (self._root, *self._folders)]
    for base in bases:
      for path in (base, *(Path(f"{base}{s}") for s in IMAGE_SUFFIXES)):
        if is_image(path) and path.is_file() and self._is_inside(path):
          return path
    return None

  def _by_parts(self, name: str, where: str) -> Path | None:
    for folder in (*self._folders, self._root):
      if folder not in self._files:
        self._files[folder] = index(folder, deep=folder != self._root)
      if path := named(name, folder, self._files[folder], where):
        return path
    return None


def index(folder: Path, *, deep: bool = True) -> dict[str, list[Path]]:
  """Images of a folder by their names without suffix, sorted.

  deep: those in its sub-folders, too.
  """
  known: dict[str, list[Path]] = {}
  for path in sorted(_images(folder, deep)):
    known.setdefault(path.stem, []).append(path)
  return known


def named(
  name: str, folder: Path, images: dict[str, list[Path]], where: str
) -> Path | None:
  """The image of a folder's index whose sub-folders agree best with a name.

  InputError: several agree as well.
  """
  wanted = _parts(Path(name.replace("\\", "/")))
  near = images.get(wanted[-1], []) if wanted else []
  # Files that the name tells all of; else those that tell more.
  found = [p for p in near if _ends(wanted, _parts(p, folder))]
  found = sorted(found, key=lambda p: -len(p.parts))[:1] or [
    p for p in near if _ends(_parts(p, folder), wanted)
  ]
  if len({_parts(p, folder) for p in found}) > 1:
    raise InputError(
      f"{where}: image {shown(name)} may be {found[0]} or {found[1]}; name"
      " its folder, too"
    )
  if not found:
    return None
  same = [p for p in near if _parts(p) == _parts(found[0])]
  exact = [p for p in same if p.suffix == Path(name).suffix]
  return (exact or same)[0]


def _images(folder: Path, deep: bool) -> Iterator[Path]:
  for place, folders, files in os.walk(folder):
    folders[:] = [name for name in folders if deep and name[0] != "."]
    paths = (Path(place) / name for name in files)
    yield from (path for path in paths if is_image(path))


def _parts(path: Path, folder: Path | None = None) -> _Parts:
  """Of a path, or of it in a folder: its parts, the last without suffix."""
  path = path.relative_to(folder) if folder else path
  stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
  return (*path.parts[:-1], stem) if path.parts else ()


def _ends(longer: _Parts, shorter: _Parts) -> bool:
  return len(shorter) <= len(longer) and longer[-len(shorter) :] == shorter
