"""Camera paths for rendering: pure functions that return poses [T, 4, 4].

Poses are float32 camera-to-world with OpenCV axes. Everything runs on the
host in float64 and is rounded once at the end.
"""

import numpy as np

from scenetok_jax.types import Array, InputError


def _poses(rotations: np.ndarray, positions: np.ndarray) -> np.ndarray:
  """Rotations [T, 3, 3] and positions [T, 3] -> poses [T, 4, 4] float32."""
  poses = np.tile(np.eye(4, dtype=np.float32), (len(positions), 1, 1))
  poses[:, :3, :3] = rotations
  poses[:, :3, 3] = positions
  return poses


def _keys(extrinsics: Array) -> tuple[np.ndarray, np.ndarray]:
  """Rotations and positions of at least two key poses, in float64."""
  keys = np.asarray(extrinsics, np.float64)
  if keys.ndim != 3 or len(keys) < 2:
    raise InputError(
      f"trajectory: key poses have shape {keys.shape}; give at least two"
      " poses as [K, 4, 4]"
    )
  return keys[:, :3, :3], keys[:, :3, 3]


def interpolate(extrinsics: Array, n: int) -> np.ndarray:
  """Piecewise path: linear in position, slerp in rotation.

  keys [K, 4, 4], n >= K -> [n + K - 1, 4, 4], keys included (release:
  validation videos). Every segment between keys gets 1 + (n - K) // (K - 1)
  evenly spaced poses inside, the first (n - K) % (K - 1) segments one more.
  """
  rotations, positions = _keys(extrinsics)
  keys = len(positions)
  if n < keys:
    raise InputError(
      f"trajectory: n is {n}; it must be at least the number of keys, {keys}"
    )
  inside, longer = divmod(n - keys, keys - 1)
  times = []
  for segment in range(keys - 1):
    count = 1 + inside + (segment < longer)
    times.append(segment + np.arange(count + 1) / (count + 1))
  time = np.concatenate([*times, [keys - 1.0]])
  knots = np.arange(keys)
  path = [np.interp(time, knots, axis) for axis in positions.T]
  # Late, here and below: half a second of the start of every command.
  from scipy.spatial.transform import Rotation, Slerp

  turns = Slerp(knots, Rotation.from_matrix(rotations))(time)
  return _poses(turns.as_matrix(), np.stack(path, axis=-1))


def spline(extrinsics: Array, frames: int) -> np.ndarray:
  """Smooth path through all keys [K, 4, 4] -> [frames, 4, 4].

  Cubic in position and in rotation; equal time between neighbouring keys.
  """
  rotations, positions = _keys(extrinsics)
  knots = np.arange(len(positions), dtype=np.float64)
  time = np.linspace(0, knots[-1], frames)
  from scipy.interpolate import CubicSpline
  from scipy.spatial.transform import Rotation, RotationSpline

  turns = RotationSpline(knots, Rotation.from_matrix(rotations))(time)
  return _poses(turns.as_matrix(), CubicSpline(knots, positions)(time))


def look_at_point(extrinsics: Array) -> np.ndarray:
  """World point [3] nearest to all optical axes (least squares).

  Where the axes are parallel, or meet behind the cameras as in a panorama,
  it is instead the point straight ahead of their mean, as far away as the
  cameras are spread (one unit for a single place).
  """
  poses = np.asarray(extrinsics, np.float64)
  axes, origins = poses[:, :3, 2], poses[:, :3, 3]
  # Projects onto the plane across each axis: distances to the axis line.
  across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
  normal, right = across.sum(0), np.einsum("vij,vj->i", across, origins)
  centre, ahead = origins.mean(0), axes.mean(0)
  if np.linalg.eigvalsh(normal)[0] > 1e-4 * len(poses):
    point = np.linalg.solve(normal, right)
    if np.mean(np.sum((point - origins) * axes, axis=-1)) > 0:
      return point
  spread = 2 * np.linalg.norm(origins - centre, axis=-1).max()
  return centre + ahead / max(np.linalg.norm(ahead), 1e-9) * (spread or 1.0)


def orbit(
  extrinsics: Array, frames: int, *, degrees: float = 360.0, index: int = 0
) -> np.ndarray:
  """Turns one of the cameras [V, 4, 4] around the point that they look at.

  The axis is the cameras' mean up direction; the view keeps its distance,
  height and tilt. The first of the [frames, 4, 4] poses is extrinsics[index].
  A full turn leaves out its last pose, which equals the first, so that the
  video loops.
  """
  poses = np.asarray(extrinsics, np.float64)
  up = -poses[:, :3, 1].mean(0)
  point = look_at_point(poses)
  return turn_around(poses[index], point, degrees, frames, up=up)


def turn_around(
  pose: Array,
  point: Array,
  degrees: float,
  frames: int,
  *,
  up: Array | None = None,
) -> np.ndarray:
  """Turns a camera [4, 4] around a world point [3]; see orbit.

  up: [3] axis of the turn, by default the camera's own up direction.
  """
  start = np.asarray(pose, np.float64)
  axis = -start[:3, 1] if up is None else np.asarray(up, np.float64)
  axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
  full = degrees != 0 and degrees % 360 == 0
  angles = np.linspace(0, np.radians(degrees), frames, endpoint=not full)
  return _turned(start, angles[:, None] * axis, point)


def pan(pose: Array, degrees: float, frames: int) -> np.ndarray:
  """Looks around in place: ahead, half of `degrees` to each side, ahead.

  The first of the [frames, 4, 4] poses equals pose [4, 4]; the camera turns
  left first.
  """
  start = np.asarray(pose, np.float64)
  phase = np.linspace(0, 2 * np.pi, frames, endpoint=False)
  angles = 0.5 * np.radians(degrees) * np.sin(phase)
  return _turned(start, angles[:, None] * -start[:3, 1], start[:3, 3])


def _turned(start: np.ndarray, turns: np.ndarray, point: Array) -> np.ndarray:
  """A camera [4, 4] turned around a point, by rotation vectors [T 3]."""
  from scipy.spatial.transform import Rotation

  matrices = Rotation.from_rotvec(turns).as_matrix()
  positions = point + matrices @ (start[:3, 3] - point)
  return _poses(matrices @ start[:3, :3], positions)


def shift_right(extrinsics: Array, distance: float) -> np.ndarray:
  """A path [T, 4, 4] moved to each camera's own right by `distance`."""
  poses = np.asarray(extrinsics, np.float64)
  positions = poses[:, :3, 3] + distance * poses[:, :3, 0]
  return _poses(poses[:, :3, :3], positions)


def extent(extrinsics: Array) -> float:
  """Size of the region that cameras [V, 4, 4] stand in; 1 for one place."""
  positions = np.asarray(extrinsics, np.float64)[:, :3, 3]
  size = np.linalg.norm(positions.max(0) - positions.min(0))
  return float(size) or 1.0


def dolly(pose: Array, distance: float, frames: int) -> np.ndarray:
  """Moves a camera [4, 4] forward by `distance` scene units.

  It does not turn; the first of the [frames, 4, 4] poses is `pose`.
  """
  pose = np.asarray(pose, np.float64)
  way = np.linspace(0, 1, frames)[:, None] * (distance * pose[:3, 2])
  return _poses(pose[:3, :3], pose[:3, 3] + way)
