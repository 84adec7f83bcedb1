"""What cameras must be like wherever they enter: InputError names what is not.

All limits of the project's cameras are here. They are wide: only what no lens
and no scene has is refused, such as pixels where shares of the image are meant.
"""

import numpy as np

from scenetok_jax.types import Array, InputError

# Poses stored as float16 are off by about 1e-3; real errors (a scale, a
# row-major mix-up, degrees for radians) are off by much more.
_TOLERANCE = 5e-3
# Of what a file says, before its positions are taken relative to a camera.
MAX_GIVEN = 1e9
MAX_POSITION = 1e6  # scene units; float32 then has steps of a sixteenth
MIN_FOCAL, MAX_FOCAL = 0.01, 100.0  # shares of the image: 178.9 to 0.6 degrees
_MIN_CENTRE, _MAX_CENTRE = -1.0, 2.0
_MAX_SKEW = 0.1  # of the focal length
# Focal lengths in pixels differ by less; swapped sides of 4:3 by 1.78.
_MAX_ASPECT = 1.7
_MAX_SHAPE = 10.0  # fx to fy where the image's size is not known


def check_cameras(
  extrinsics: Array,
  intrinsics: Array,
  where: str,
  *,
  names: tuple[str, str] = ("extrinsics", "intrinsics"),
  size: Array | None = None,
) -> None:
  """InputError unless these are pinhole cameras in the package's conventions.

  extrinsics: [T 4 4], camera-to-world. intrinsics: [T 3 3], divided by the
  image's width and height. where: what was read; starts the message. names: of
  the two, in messages. size: (h, w) of the images, or [T 2], if known: pixels
  are about square.
  """
  extrinsics, intrinsics = np.asarray(extrinsics), np.asarray(intrinsics)
  for name, matrices, side in zip(
    names, (extrinsics, intrinsics), (4, 3), strict=True
  ):
    if matrices.ndim != 3 or matrices.shape[1:] != (side, side):
      raise InputError(
        f"{where}: {name}: shape {list(matrices.shape)} is not [T {side}"
        f" {side}]; give one matrix for each view"
      )
  if len(extrinsics) != len(intrinsics):
    raise InputError(
      f"{where}: {len(extrinsics)} {names[0]} and {len(intrinsics)} {names[1]};"
      " give one of each for every view"
    )
  check_rigid(extrinsics, f"{where}: {names[0]}")
  check_intrinsics(intrinsics, f"{where}: {names[1]}", size)


def check_rigid(
  extrinsics: Array, where: str, reach: float = MAX_POSITION
) -> None:
  """InputError unless poses [T 4 4], or one [4 4], are finite rigid motions.

  Their positions are at most reach from the origin. where: what was read
  ("FILE: FIELD"); starts the message.
  """
  poses = _doubles(extrinsics)
  if poses.ndim < 2 or poses.shape[-2:] != (4, 4):
    raise InputError(
      f"{where}: poses have shape {poses.shape}, not [..., 4, 4]; give"
      " 4x4 camera-to-world matrices"
    )
  with np.errstate(all="ignore"):  # NaN is not within any limit
    turns = poses[..., :3, :3]
    error = np.abs(np.swapaxes(turns, -1, -2) @ turns - np.eye(3))
    good = np.isfinite(poses).all(axis=(-2, -1))
    good &= np.abs(poses[..., 3, :] - [0, 0, 0, 1]).max(-1) <= _TOLERANCE
    good &= error.max(axis=(-2, -1)) <= _TOLERANCE
    good &= np.linalg.det(turns) > 0
    good &= np.abs(poses[..., :3, 3]).max(-1) <= reach
  if not good.all():
    index = int(np.argmin(good))
    problem = _pose_problem(poses.reshape(-1, 4, 4)[index], reach)
    which = f"frame {index}: " if poses.ndim > 2 else ""
    raise InputError(f"{where}: {which}{problem}; correct or remove this frame")


def check_intrinsics(
  intrinsics: Array, where: str, size: Array | None = None
) -> None:
  """InputError unless [T 3 3], or one [3 3], are of normalised pinholes.

  where, size: see check_cameras.
  """
  lenses = _doubles(intrinsics)
  with np.errstate(all="ignore"):
    focal = np.diagonal(lenses, axis1=-2, axis2=-1)[..., :2]
    centre, rest = lenses[..., :2, 2], lenses[..., [1, 2, 2, 2], [0, 0, 1, 2]]
    aspect = focal[..., 0] / focal[..., 1] * _sides(size)
    most = _MAX_SHAPE if size is None else _MAX_ASPECT
    good = np.isfinite(lenses).all(axis=(-2, -1))
    good &= (focal >= MIN_FOCAL).all(-1) & (focal <= MAX_FOCAL).all(-1)
    good &= (centre >= _MIN_CENTRE).all(-1) & (centre <= _MAX_CENTRE).all(-1)
    good &= (1 / most < aspect) & (aspect < most)
    good &= np.abs(lenses[..., 0, 1]) <= _MAX_SKEW * focal[..., 0]
    good &= np.abs(rest - [0, 0, 0, 1]).max(-1) <= _TOLERANCE
  if not good.all():
    index = int(np.argmin(good))
    lens = lenses.reshape(-1, 3, 3)[index]
    problem = _lens_problem(lens, np.ravel(aspect)[index], size is not None)
    which = f"frame {index}: " if lenses.ndim > 2 else ""
    raise InputError(f"{where}: {which}{problem}")


def _doubles(values: Array) -> np.ndarray:
  """float64, without NumPy's warning of a signalling NaN."""
  with np.errstate(invalid="ignore"):
    return np.asarray(values, np.float64)


def _sides(size: Array | None) -> Array:
  """Width over height; 1 where the size is not known."""
  if size is None:
    return 1.0
  sides = np.asarray(size, np.float64)
  return sides[..., 1] / sides[..., 0]


def _pose_problem(pose: np.ndarray, reach: float) -> str:
  """What is wrong with one pose [4, 4] that is not good."""
  if not np.isfinite(pose).all():
    return "the pose holds NaN or Inf"
  if np.abs(pose[3] - [0, 0, 0, 1]).max() > _TOLERANCE:
    return f"the last row of the pose is {pose[3].tolist()}, not [0, 0, 0, 1]"
  if np.abs(pose[:3, 3]).max() > reach:
    return (
      f"the position {_shown(pose[:3, 3])} is further than {reach:,.0f} from"
      " the origin, where float32 is coarse: move the origin"
    )
  with np.errstate(all="ignore"):
    error = np.abs(pose[:3, :3].T @ pose[:3, :3] - np.eye(3)).max()
  if not error <= _TOLERANCE:
    return f"the rotation is not orthonormal (off by {error:.3g})"
  return "the rotation has determinant -1 (mirrored axes)"


def _lens_problem(lens: np.ndarray, aspect: float, sized: bool) -> str:
  """What is wrong with one lens [3, 3] that is not good, and the remedy."""
  focal, centre = np.diag(lens)[:2], lens[:2, 2]
  if not np.isfinite(lens).all():
    return "holds NaN or Inf; correct this matrix"
  if focal.min() <= 0:
    return (
      f"focal lengths must be positive, not {_shown(focal)}; correct this"
      " matrix"
    )
  if centre.min() < _MIN_CENTRE or centre.max() > _MAX_CENTRE:
    return (
      f"the principal point {_shown(centre)} is far outside the image; are"
      " these pixels? divide the first row by the image width and the second by"
      " its height"
    )
  if focal.min() < MIN_FOCAL or focal.max() > MAX_FOCAL:
    return (
      f"focal lengths {_shown(focal)} are not from {MIN_FOCAL:g} to"
      f" {MAX_FOCAL:g} times the image's sides; divide pixels by these"
    )
  most = _MAX_ASPECT if sized else _MAX_SHAPE
  if not 1 / most < aspect < most:
    return (
      f"pixels would be {1 / aspect:.3g} times as wide as high; are width and"
      " height swapped?"
    )
  return (
    f"{lens.tolist()} is no pinhole's matrix, [fx 0 cx] [0 fy cy] [0 0 1];"
    " correct it"
  )


def _shown(numbers: np.ndarray) -> str:
  return f"[{', '.join(f'{x:.6g}' for x in numbers)}]"
