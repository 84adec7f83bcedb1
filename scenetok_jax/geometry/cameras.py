"""Camera poses: conventions, reference frames and angles.

Poses are camera-to-world 4x4 with OpenCV axes (x right, y down, z forward).
Functions of one array work on NumPy and JAX arrays alike, so that data readers
stay free of device computation.
"""

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.types import Array, Cameras

_OPENGL = np.array([1.0, -1.0, -1.0, 1.0], np.float32)


def invert_3x3(matrix: Array) -> Array:
  """Inverse [..., 3, 3] by cofactors: the same rounding on every backend."""
  xp = matrix.__array_namespace__()
  rows = [matrix[..., i, :] for i in range(3)]
  columns = [xp.linalg.cross(rows[i - 2], rows[i - 1]) for i in range(3)]
  determinant = xp.sum(rows[0] * columns[0], axis=-1)
  return xp.stack(columns, axis=-1) / determinant[..., None, None]


def invert(extrinsics: Array) -> Array:
  """Inverse of affine poses [..., 4, 4], rigid or not.

  The last row must be (0, 0, 0, 1). World-to-camera becomes camera-to-world
  and back; dtype and array library are kept.
  """
  xp = extrinsics.__array_namespace__()
  linear = invert_3x3(extrinsics[..., :3, :3])
  translation = -xp.sum(linear * extrinsics[..., None, :3, 3], axis=-1)
  top = xp.concat([linear, translation[..., None]], axis=-1)
  return xp.concat([top, extrinsics[..., 3:, :]], axis=-2)


def relative_to(cameras: Cameras, reference: Array) -> Cameras:
  """Cameras as seen from a reference pose: inv(reference) @ extrinsics.

  Extrinsics [..., V, 4, 4] become float32, intrinsics stay. reference:
  [..., 4, 4] camera-to-world of one view of the same scene. Not forced to be
  rigid: poses stored in float16 are not exactly so (release: a general inverse
  in float32).
  """
  extrinsics = jnp.asarray(cameras.extrinsics, jnp.float32)
  inverse = invert(jnp.asarray(reference, jnp.float32))
  relative = jnp.matmul(
    inverse[..., None, :, :], extrinsics, precision=jax.lax.Precision.HIGHEST
  )
  return Cameras(relative, cameras.intrinsics)


def from_opengl(c2w: Array) -> Array:
  """OpenGL/Blender camera-to-world [..., 4, 4] -> OpenCV axes.

  Negates the y and z columns; its own inverse.
  """
  return c2w * _OPENGL.astype(c2w.dtype)


def flip(cameras: Cameras) -> Cameras:
  """Cameras of left-right mirrored images: F E F, F = diag(-1, 1, 1, 1).

  Intrinsics are kept, as in the release: right only where cx is 0.5.
  """
  sign = np.array([-1, 1, 1, 1], np.float32)
  signs = np.outer(sign, sign).astype(cameras.extrinsics.dtype)
  return Cameras(cameras.extrinsics * signs, cameras.intrinsics)


def view_angles(extrinsics: Array) -> np.ndarray:
  """Angle between every two optical axes: [V, 4, 4] -> [V, V] degrees."""
  axes = np.asarray(extrinsics, np.float64)[:, :3, 2]
  cosine = axes @ axes.T
  sine = np.linalg.norm(np.cross(axes[:, None], axes[None]), axis=-1)
  # arctan2 stays exact near 0 and 180 degrees, where arccos does not.
  return np.degrees(np.arctan2(sine, cosine))
