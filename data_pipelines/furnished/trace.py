"""Rays through a mesh by Mitsuba's LLVM variant."""

import os
from pathlib import Path

import numpy as np

from data_pipelines.furnished.assets import REMEDY
from data_pipelines.furnished.mesh import Mesh
from scenetok_jax.types import InputError

_PART = 1 << 19  # rays at once


class Tracer:
  """The nearest triangle along rays; one mesh.

  Args:
    mesh: what rays hit.
    llvm: LLVM library, where Dr.Jit does not find one itself.

  Raises:
    InputError: mitsuba or LLVM is missing.
  """

  def __init__(self, mesh: Mesh, llvm: Path | None = None):
    self._mi, self._dr = _mitsuba(llvm)
    mi = self._mi
    shape = mi.Mesh("room", len(mesh.points), len(mesh.faces))
    fields = mi.traverse(shape)
    fields["vertex_positions"] = mi.Float(mesh.points.ravel())
    fields["faces"] = mi.UInt32(mesh.faces.ravel().astype(np.uint32))
    fields.update()
    self._scene = mi.load_dict({"type": "scene", "room": shape})

  def hit(
    self, origins: np.ndarray, directions: np.ndarray, reach: float = 1e4
  ) -> tuple[np.ndarray, np.ndarray]:
    """Rays [N 3] -> distance [N] (inf: none) and triangle [N] (-1: none)."""
    distance = np.full(len(origins), np.inf, np.float32)
    triangle = np.full(len(origins), -1, np.int64)
    for start in range(0, len(origins), _PART):
      part = slice(start, start + _PART)
      self._hit(origins[part], directions[part], reach, distance[part],
                triangle[part])  # fmt: skip
    return distance, triangle

  def _hit(self, origins, directions, reach, distance, triangle) -> None:
    mi, dr = self._mi, self._dr
    ray = mi.Ray3f(
      mi.Point3f(*origins.T.astype(np.float32)),
      mi.Vector3f(*directions.T.astype(np.float32)),
    )
    ray.maxt = mi.Float(reach)
    found = self._scene.ray_intersect_preliminary(ray, coherent=False)
    length, index = dr.detach(found.t), found.prim_index
    dr.eval(length, index)
    length = np.asarray(length)
    good = np.isfinite(length) & (length < reach)
    distance[good] = length[good]
    triangle[good] = np.asarray(index)[good]


def _mitsuba(llvm: Path | None):
  """The modules mitsuba and drjit, one thread: rooms run side by side."""
  if llvm is not None:
    os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(llvm))
  try:
    import drjit
    import mitsuba
  except ImportError:
    raise InputError(
      "--dataset=furnished: mitsuba is not installed; run `pip install"
      " 'scenetok_jax[rooms]'`"
    ) from None
  if mitsuba.variant() != "llvm_ad_rgb":
    try:
      mitsuba.set_variant("llvm_ad_rgb")
      drjit.set_thread_count(1)
      drjit.eval(mitsuba.Float(1.0) + mitsuba.Float(2.0))
    except ImportError as error:
      raise InputError(
        f"--dataset=furnished: Mitsuba has no LLVM ({error}); {REMEDY}"
      ) from None
  return mitsuba, drjit
