"""OBJ files of the catalogue, read by trimesh out of their archives."""

import dataclasses
import io
import posixpath
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from data_pipelines.furnished.assets import Piece
from scenetok_jax.types import InputError

TEXELS = 128  # a side of a texture; frames are as small
_GREY = (0.8, 0.8, 0.8)


@dataclasses.dataclass(frozen=True)
class ObjPart:
  """The triangles of one material.

  points: float64 [V 3], as the file has them. faces: int [F 3]. uv: float64
  [V 2] or None. color: sRGB. image: uint8 [t t 4], bottom row first as uv
  count, or None.
  """

  points: np.ndarray
  faces: np.ndarray
  uv: np.ndarray | None
  color: tuple[float, ...]
  opacity: float
  image: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class ObjFile:
  """Parts, whose vertices stand once for each normal that the file gives.

  has_normals: False where it gives none.
  """

  parts: list[ObjPart]
  has_normals: bool


def read_obj(piece: Piece) -> ObjFile:
  """The model of a piece.

  Raises:
    InputError: trimesh is missing.
    KeyError, ValueError, OSError and others: the file is damaged.
  """
  try:
    import trimesh
    from trimesh.resolvers import ZipResolver
  except ImportError:
    raise InputError(
      "--dataset=furnished: trimesh is not installed; run `pip install"
      " 'scenetok_jax[rooms]'`"
    ) from None
  with zipfile.ZipFile(piece.library) as archive:
    text = archive.read(piece.model).decode("latin-1")
    scene = trimesh.load_scene(
      io.StringIO(text),
      file_type="obj",
      resolver=ZipResolver(_beside(archive, piece.model)),
      process=False,
      group_material=True,
      split_objects=False,
    )
    meshes = scene.geometry.values()
    parts = [_part(mesh) for mesh in meshes if hasattr(mesh, "faces")]
  if not parts:
    raise ValueError("no face in it")
  return ObjFile(parts, "\nvn " in text)


def _part(mesh: Any) -> ObjPart:
  material = getattr(mesh.visual, "material", None)
  fields = getattr(material, "kwargs", {})
  # A material that the file lacks has trimesh's checkered image.
  image = getattr(material, "image", None) if fields else None
  return ObjPart(
    np.asarray(mesh.vertices, np.float64),
    np.asarray(mesh.faces),
    getattr(mesh.visual, "uv", None),
    tuple(fields.get("kd", _GREY)),
    float(fields["d"][-1]) if "d" in fields else 1.0,
    None if image is None else shrink(image),
  )


def shrink(picture: Image.Image) -> np.ndarray:
  """A texture as uint8 [t t 4], bottom row first."""
  small = picture.convert("RGBA").resize((TEXELS, TEXELS), Image.Resampling.BOX)
  return np.asarray(small)[::-1].copy()


class _Beside(dict[str, bytes]):
  """Files in a model's folder by their names there, in whatever case."""

  def __missing__(self, name: str) -> bytes:
    plain = name.strip().lower()
    if plain == name:
      raise KeyError(name)
    return self[plain]


def _beside(archive: zipfile.ZipFile, model: str) -> _Beside:
  """Materials and textures of a model."""
  folder = posixpath.dirname(model) + "/"
  return _Beside({
    name.removeprefix(folder).lower(): archive.read(name)
    for name in archive.namelist()
    if name.startswith(folder) and name not in (model, folder)
  })  # fmt: skip
