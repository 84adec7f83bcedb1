"""OBJ files of the catalogue, read by trimesh out of their archives."""

import dataclasses
import io
import zipfile
from typing import Any

import numpy as np

from data_pipelines.furnished import archives
from data_pipelines.furnished.assets import Piece
from scenetok_jax.types import InputError

_GREY = (0.8, 0.8, 0.8)
_FAR = 1e9  # numbers of a file
_MANY = 1e6  # repeats of a texture; float32 has no place within one then


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
    text = archives.member(archive, piece.model).decode("latin-1")
    scene = trimesh.load_scene(
      io.StringIO(text),
      file_type="obj",
      resolver=ZipResolver(archives.beside(archive, piece.model)),
      process=False,
      group_material=True,
      split_objects=False,
    )
    meshes = scene.geometry.values()
    parts = [_part(mesh) for mesh in meshes if hasattr(mesh, "faces")]
  if not parts:
    raise ValueError("no face in it")
  for part in parts:
    _check_finite(part)
  return ObjFile(parts, "\nvn " in text)


def _check_finite(part: ObjPart) -> None:
  uv = np.zeros(1) if part.uv is None else part.uv
  for values in (part.points, uv, part.color, part.opacity):
    if not np.isfinite(values).all() or np.abs(values).max() > _FAR:
      raise ValueError("a number in it is not finite, or huge")


def _part(mesh: Any) -> ObjPart:
  material = getattr(mesh.visual, "material", None)
  fields = getattr(material, "kwargs", {})
  # A material that the file lacks has trimesh's checkered image.
  image = getattr(material, "image", None) if fields else None
  return ObjPart(
    np.asarray(mesh.vertices, np.float64),
    np.asarray(mesh.faces),
    _in_place(getattr(mesh.visual, "uv", None)),
    tuple(fields.get("kd", _GREY)),
    float(fields["d"][-1]) if "d" in fields else 1.0,
    None if image is None else archives.texels(image),
  )


def _in_place(uv: np.ndarray | None) -> np.ndarray | None:
  """Coordinates of a texture; those out of any use are those of its corner.

  Two models of the catalogue have such ones (3e9).
  """
  if uv is None:
    return None
  return np.where(np.isfinite(uv) & (np.abs(uv) > _MANY), 0.0, uv)
