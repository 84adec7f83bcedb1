"""Cameras that are set by hand, and the smooth path through them."""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.geometry import camera_files, origins, trajectories
from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.geometry.transforms_json import read_object
from scenetok_jax.reading.schema import Few, checked
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.types import Cameras, InputError

_EVERY = "keyframe_every"  # of our files: frames from one keyframe to the next
_NONE = np.zeros((0, 4, 4)), np.zeros((0, 3, 3), np.float32)


@dataclasses.dataclass(frozen=True)
class Keyframes:
  """cameras: [K] of squares. every: frames from one to the next.

  notes: what is to be told of the file that they were loaded from.
  """

  cameras: Cameras = dataclasses.field(default_factory=lambda: Cameras(*_NONE))
  every: int = 10
  notes: tuple[str, ...] = ()

  def __len__(self) -> int:
    return len(self.cameras.extrinsics)

  def added(self, camera: Cameras) -> "Keyframes":
    """With one more camera [1]."""
    both = zip(*map(_arrays, (self.cameras, camera)), strict=True)
    return dataclasses.replace(
      self, cameras=Cameras(*(np.concatenate(pair) for pair in both))
    )

  def without_last(self) -> "Keyframes":
    """With one camera less, if there is one."""
    poses, lenses = _arrays(self.cameras)
    return dataclasses.replace(self, cameras=Cameras(poses[:-1], lenses[:-1]))

  def path(self) -> Cameras:
    """The cameras [(K - 1) every + 1] of the video; InputError below two.

    Cubic through the poses, straight through the focal lengths.
    """
    if len(self) < 2:
      raise InputError(f"keyframes: {len(self)}; set two or more")
    poses, lenses = _arrays(self.cameras)
    frames = (len(self) - 1) * self.every + 1
    times = np.linspace(0, len(self) - 1, frames)
    knots = np.arange(len(self))
    between = np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1))
    for row, column in ((0, 0), (1, 1), (0, 2), (1, 2)):
      between[:, row, column] = np.interp(times, knots, lenses[:, row, column])
    return Cameras(trajectories.spline(poses, frames), between)

  def to_json(self, origin: np.ndarray) -> bytes:
    """A file for --trajectory and `load`, in the coordinates of the source.

    origin: [3], see Scene.
    """
    path = origins.returned(self.path(), origin)
    content = {
      "extrinsics": np.asarray(path.extrinsics).tolist(),
      "intrinsics": np.asarray(path.intrinsics).tolist(),
      _EVERY: self.every,
    }
    return json.dumps(content).encode()


def load(content: bytes, name: str, origin: np.ndarray, side: int) -> Keyframes:
  """A file of ours, or any other of camera_files.read_file.

  Of another's file every camera is a keyframe. name: of the file, for
  messages. origin: [3] of the scene. side: of the rendered square.
  Raises InputError: no such file, or cameras that are none.
  """
  with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "path.json"
    file.write_bytes(content)
    try:
      found = camera_files.read_file(file)
      cameras = found.cameras(origin)
      check_rigid(cameras.extrinsics, str(file))
      every = _every(read_object(str(file)), len(cameras.extrinsics))
    except InputError as error:
      raise InputError(str(error).replace(str(file), name)) from None
  path = CameraPath(name, cameras, sides=found.sides)
  poses, lenses = _arrays(path.seen(side, ViewOptions()).cameras)
  return Keyframes(Cameras(poses[::every], lenses[::every]), every, found.notes)


def _every(content: dict[str, Any], frames: int) -> int:
  """How many frames apart the keyframes of a file are; 1 unless it is ours."""
  value = content.get(_EVERY)
  if value is None:
    return 1
  every: int = checked(value, Few, _EVERY, "save the path again")
  if (frames - 1) % every:
    raise InputError(
      f"{_EVERY}: {every} does not divide {frames - 1} frames; save the path"
      " again"
    )
  return every


def _arrays(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
  return np.asarray(cameras.extrinsics), np.asarray(cameras.intrinsics)
