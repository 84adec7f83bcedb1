"""Camera paths by name or file, for rendering and generation."""

import dataclasses

import numpy as np

from scenetok_jax.geometry import camera_files, trajectories
from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.reading.schema import Degrees, Distance, Few
from scenetok_jax.reading.shown import remark
from scenetok_jax.sampling import views
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.types import Cameras, InputError, check_known, option

ORIGIN = np.zeros(3)
FRAMES = 48  # ours: where neither --frames nor a clip says how many
SCENE_PATHS = ("clip", "context", "spline", "orbit", "dolly", "lateral")
MOTIONS = ("forward", "look", "orbit")


@dataclasses.dataclass(frozen=True)
class CameraPath:
  """Cameras [T]; clip_frames: the clip's frame at each pose, if they match.

  sides: (height, width) [T 2] of pictures whose intrinsics these are; None
  where they are squares.
  """

  name: str
  cameras: Cameras
  clip_frames: np.ndarray | None = None
  sides: np.ndarray | None = None

  def seen(self, side: int, view: ViewOptions) -> "CameraPath":
    """The path as squares of side pixels are rendered along it."""
    lenses, sides = np.asarray(self.cameras.intrinsics), self.sides
    if view == ViewOptions() and sides is None:
      return self
    if sides is None:
      sides = np.full((len(lenses), 2), side)
    cameras = Cameras(
      self.cameras.extrinsics, views.seen(lenses, sides, side, view)
    )
    same = view == ViewOptions()
    return CameraPath(self.name, cameras, self.clip_frames if same else None)


@dataclasses.dataclass(frozen=True)
class PathOptions:
  """What a named path leaves open; None takes what suits the path.

  distance: in scene units; None asks for one that fits the cameras' spread.
  Raises InputError: numbers that are not finite, or no frame.
  """

  frames: Few | None = option(None, "frames of the video")
  degrees: Degrees | None = option(None, "turn of an orbit or a look around")
  distance: Distance | None = option(None, "length of a move, in scene units")

  def __post_init__(self) -> None:
    for name, value in dataclasses.asdict(self).items():
      if value is not None and not np.isfinite(value):
        raise InputError(f"--{name}: {value} is not a number; correct it")
    if self.frames is not None and self.frames < 1:
      raise InputError(f"--frames: {self.frames} must be at least 1")


def first_frames(cameras: Cameras, count: int | None) -> Cameras:
  """Cameras [T] -> the first `count` of them, or all."""
  return Cameras(cameras.extrinsics[:count], cameras.intrinsics[:count])


def from_file(
  name: str, options: PathOptions, origin: np.ndarray = ORIGIN
) -> CameraPath:
  """The first `frames` cameras of a JSON file; see geometry.camera_files.

  origin: float64 [3], what was subtracted from the scene's positions.
  Raises InputError: unreadable, or poses that are not finite rigid motions.
  """
  file = camera_files.read_file(name)
  for note in file.notes:
    remark(f"{name}: {note}")
  cameras = file.cameras(np.asarray(origin))
  check_rigid(cameras.extrinsics, name)
  found, wanted = len(cameras.extrinsics), options.frames
  if wanted is not None and wanted > found:
    raise InputError(
      f"{name}: {found} poses, but --frames={wanted}; lower --frames"
    )
  return CameraPath(
    name, first_frames(cameras, wanted), sides=file.sides[:wanted]
  )


def through_scene(
  name: str,
  clip: Cameras | None,
  context: Cameras,
  options: PathOptions,
  origin: np.ndarray = ORIGIN,
) -> CameraPath:
  """A path through a scene whose cameras are known.

  name: one of SCENE_PATHS, or a JSON file of absolute poses. "context" goes
  straight from view to view (release), "spline" smoothly; "orbit" circles what
  the cameras look at; "dolly" moves the middle view forward; "lateral" is the
  captured path, moved to the right. clip: cameras of all frames; None where
  only tokens are known. context: those of the context views [V], in time.
  origin: see from_file.
  Raises InputError: unknown name, bad file, or numbers that make no path.
  """
  if name.endswith(".json"):
    return from_file(name, options, origin)
  check_known(name, (*SCENE_PATHS, "FILE.json"), "--trajectory")
  if name == "clip":
    if clip is None:
      raise InputError(
        "--trajectory: clip: a scene file holds no clip; use another trajectory"
      )
    cameras = first_frames(clip, options.frames)
    return CameraPath(name, cameras, np.arange(len(cameras.extrinsics)))
  poses = _poses(name, clip, context.extrinsics, options)
  lens = context.intrinsics[len(context.intrinsics) // 2]
  return _one_lens(name, poses, lens)


def _one_lens(name: str, poses: np.ndarray, lens: np.ndarray) -> CameraPath:
  """Poses [T 4 4] with one lens [3 3] for all."""
  repeated = np.repeat(np.asarray(lens)[None], len(poses), axis=0)
  return CameraPath(name, Cameras(poses, repeated))


def _poses(
  name: str, clip: Cameras | None, keys: np.ndarray, options: PathOptions
) -> np.ndarray:
  """keys: poses of the context views [V 4 4]."""
  frames, distance = options.frames or FRAMES, options.distance
  middle = len(keys) // 2
  if distance is None:
    distance = trajectories.extent(keys) / 4
  if name == "orbit":
    degrees = 360.0 if options.degrees is None else options.degrees
    return trajectories.orbit(keys, frames, degrees=degrees, index=middle)
  if name == "dolly":
    return trajectories.dolly(keys[middle], distance, frames)
  if len(keys) < 2:
    raise InputError(
      f"--trajectory: {name}: the scene has one context view; use orbit,"
      " dolly or a file"
    )
  if name == "lateral" and clip is not None:
    captured = clip.extrinsics[: options.frames]
    return trajectories.shift_right(captured, distance)
  if name in ("spline", "lateral"):
    smooth = trajectories.spline(keys, frames)
    if name == "spline":
      return smooth
    return trajectories.shift_right(smooth, distance)
  least = 2 * len(keys) - 1
  if frames < least:
    raise InputError(
      f"--frames: {frames}: a path through {len(keys)} context views takes at"
      f" least {least}"
    )
  return trajectories.interpolate(keys, frames - len(keys) + 1)


def motion(
  name: str, start: np.ndarray, intrinsics: np.ndarray, options: PathOptions
) -> CameraPath:
  """A named motion from one pose [4 4] with one lens [3 3].

  "forward" walks `distance` ahead (default 1), "look" turns in place by
  `degrees` (default 90, to the left and to the right), "orbit" turns by
  `degrees` (default 60) around the point `distance` ahead.
  """
  check_known(name, (*MOTIONS, "FILE.json"), "--anchors")
  frames, degrees = options.frames or FRAMES, options.degrees
  distance = 1.0 if options.distance is None else options.distance
  if degrees is None:
    degrees = 90.0 if name == "look" else 60.0
  if name == "forward":
    poses = trajectories.dolly(start, distance, frames)
  elif name == "look":
    poses = trajectories.pan(start, degrees, frames)
  else:
    point = start[:3, 3] + distance * start[:3, 2]
    poses = trajectories.turn_around(start, point, degrees, frames)
  return _one_lens(name, poses, intrinsics)
