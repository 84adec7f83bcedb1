"""Members of the packages' zip files: none larger than furniture is."""

import contextlib
import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from scenetok_jax.types import explained

AGAIN = "install the package again"
TEXELS = 128  # a side of a texture; frames are as small
_MOST_BYTES = 32 << 20  # of a member, or of a folder's
_MOST_PIXELS = 1 << 26


@contextlib.contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
  """An archive; InputError for whatever is wrong in it while it is read."""
  with (
    explained(f"{path}: --source: unreadable", AGAIN, Exception),
    zipfile.ZipFile(path) as archive,
  ):
    yield archive


def member(archive: zipfile.ZipFile, name: str) -> bytes:
  """Its bytes; KeyError where it is not there, ValueError where too large."""
  size = archive.getinfo(name).file_size
  if size > _MOST_BYTES:
    raise ValueError(f"{name} claims {size:,} bytes")
  return archive.read(name)


class Beside(dict[str, bytes]):
  """Files in a model's folder by their names there, in whatever case."""

  def __missing__(self, name: str) -> bytes:
    plain = name.strip().lower()
    if plain == name:
      raise KeyError(name)
    return self[plain]


def beside(archive: zipfile.ZipFile, model: str) -> Beside:
  """Materials and textures of a model; ValueError where they are too large."""
  folder = posixpath.dirname(model) + "/"
  names = [
    name
    for name in archive.namelist()
    if name.startswith(folder) and name not in (model, folder)
  ]
  size = sum(archive.getinfo(name).file_size for name in names)
  if size > _MOST_BYTES:
    raise ValueError(f"{folder} claims {size:,} bytes")
  return Beside({
    name.removeprefix(folder).lower(): archive.read(name) for name in names
  })  # fmt: skip


def texels(picture: Image.Image) -> np.ndarray:
  """A texture as uint8 [t t 4], bottom row first; ValueError if too large."""
  if picture.width * picture.height > _MOST_PIXELS:
    raise ValueError(f"a texture of {picture.width}x{picture.height} pixels")
  small = picture.convert("RGBA").resize((TEXELS, TEXELS), Image.Resampling.BOX)
  return np.asarray(small)[::-1].copy()
