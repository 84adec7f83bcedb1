"""Where an estimate lies: upright, its cameras around zero, of a stated size.

An estimate from pictures has no scale, and its axes are one camera's. Up is
what the cameras agree on; the world's y axis points down, as a camera's does.
"""

from typing import NamedTuple

import numpy as np

from data_pipelines.photos.options import Scale

# ours: how far the mean of the cameras' up vectors is believed against their
# sides. People hold cameras level, and look down more than up.
_TRUST = 0.02


class Similarity(NamedTuple):
  """new = scale * rotation @ old + shift: a number, [3 3], [3]."""

  scale: float
  rotation: np.ndarray
  shift: np.ndarray


def up_vector(poses: np.ndarray) -> np.ndarray:
  """Camera-to-world [T 4 4] -> unit [3], where up is.

  At right angles to the cameras' x axes, where these differ; else as the mean
  of the cameras' own up vectors.
  """
  aside, mean = poses[:, :3, 0], -poses[:, :3, 1].mean(axis=0)
  level = aside.T @ aside / len(aside)
  found = np.linalg.solve(level + _TRUST * np.eye(3), mean)
  length = np.linalg.norm(found)
  return found / length if length > 1e-9 else -poses[0, :3, 1]


def level_rotation(poses: np.ndarray) -> np.ndarray:
  """[3 3] to a world whose y axis is down and whose z the first camera's."""
  down = -up_vector(poses)
  ahead = poses[0, :3, 2] - down * (down @ poses[0, :3, 2])
  if np.linalg.norm(ahead) < 1e-3:  # it looks straight up or down
    ahead = poses[0, :3, 1] - down * (down @ poses[0, :3, 1])
  ahead = ahead / np.linalg.norm(ahead)
  return np.stack([np.cross(down, ahead), down, ahead])


def similarity(poses: np.ndarray, depth: float, scale: Scale) -> Similarity:
  """What makes poses [T 4 4] level, around zero and of the asked size.

  depth: median depth of the points that cameras see, as the estimate has it.
  """
  factor = scale.factor if scale.depth is None else scale.depth / depth
  assert factor is not None
  rotation = level_rotation(poses)
  centre = poses[:, :3, 3].mean(axis=0)
  return Similarity(factor, rotation, -factor * rotation @ centre)
