"""Camera poses: conventions, reference frames, checks and angles.

Poses are camera-to-world 4x4 with OpenCV axes (x right, y down, z forward).
Functions of one array work on NumPy and JAX arrays alike, so that data readers
stay free of device computation.
"""

import einops
import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.types import Array, Cameras, InputError

_OPENGL = np.array([1.0, -1.0, -1.0, 1.0], np.float32)
# Poses stored as float16 are off by about 1e-3; real errors (a scale, a
# row-major mix-up, degrees for radians) are off by much more.
_RIGID_TOLERANCE = 5e-3


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


def check_rigid(extrinsics: Array, where: str) -> None:
  """InputError unless every pose [..., 4, 4] is a finite rigid motion.

  where: what was read ("FILE: FIELD"); starts the message.
  """
  poses = np.asarray(extrinsics, np.float64)
  if poses.ndim < 2 or poses.shape[-2:] != (4, 4):
    raise InputError(
      f"{where}: poses have shape {poses.shape}, not [..., 4, 4]; give"
      " 4x4 camera-to-world matrices"
    )
  flat = einops.rearrange(poses, "... i j -> (...) i j")
  for index, pose in enumerate(flat):
    if problem := _pose_problem(pose):
      raise InputError(
        f"{where}: frame {index}: {problem}; correct or remove this frame"
      )


def check_intrinsics(intrinsics: Array, where: str) -> None:
  """InputError on intrinsics [T, 3, 3] that are not normalised."""
  for index, matrix in enumerate(np.asarray(intrinsics, np.float64)):
    focal, centre = np.diag(matrix)[:2], matrix[:2, 2]
    if not np.isfinite(matrix).all():
      problem = "holds NaN or Inf; correct this matrix"
    elif focal.min() <= 0:
      problem = f"focal lengths {focal} must be positive; correct this matrix"
    elif centre.max() > 2:
      problem = (
        f"principal point {centre} looks like pixels; divide the first row by"
        " the image width and the second by its height"
      )
    else:
      continue
    raise InputError(f"{where}: frame {index}: {problem}")


def _pose_problem(pose: np.ndarray) -> str | None:
  """What is wrong with one pose [4, 4], or None."""
  if not np.isfinite(pose).all():
    return "the pose holds NaN or Inf"
  if np.abs(pose[3] - [0, 0, 0, 1]).max() > _RIGID_TOLERANCE:
    return f"the last row of the pose is {pose[3].tolist()}, not [0, 0, 0, 1]"
  rotation = pose[:3, :3]
  error = np.abs(rotation.T @ rotation - np.eye(3)).max()
  if error > _RIGID_TOLERANCE:
    return f"the rotation is not orthonormal (off by {error:.3g})"
  if np.linalg.det(rotation) < 0:
    return "the rotation has determinant -1 (mirrored axes)"
  return None


def view_angles(extrinsics: Array) -> np.ndarray:
  """Angle between every two optical axes: [V, 4, 4] -> [V, V] degrees."""
  axes = np.asarray(extrinsics, np.float64)[:, :3, 2]
  cosine = axes @ axes.T
  sine = np.linalg.norm(np.cross(axes[:, None], axes[None]), axis=-1)
  # arctan2 stays exact near 0 and 180 degrees, where arccos does not.
  return np.degrees(np.arctan2(sine, cosine))
