"""Poses in the frame of a nerfstudio training, brought back to its source's.

Before training, nerfstudio turns, moves and shrinks a capture, and writes what
it did to dataparser_transforms.json. Its viewer exports paths in that frame:
pose = transform @ original, then position * scale. Where the capture's
transforms.json was itself turned (applied_transform, applied_scale), original
is what was there before; its file tells how.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np

from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.geometry.cameras import invert
from scenetok_jax.geometry.transforms_json import read_matrix
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Between, checked

FILE = "dataparser_transforms.json"
_CAPTURE = "transforms.json"
_PATHS = "camera_paths"  # the viewer's folder for paths, in the capture's
_AGAIN = "copy it from the training's folder again"

_Scale = Annotated[float, Between(1e-9, 1e9)]


class _Training(TypedDict):
  transform: Any
  scale: _Scale


class _Applied(TypedDict):
  applied_transform: NotRequired[Any]
  applied_scale: NotRequired[_Scale]


@dataclasses.dataclass(frozen=True)
class _Similarity:
  """matrix: rigid, float64 [4 4], applied first; then the scale."""

  matrix: np.ndarray
  scale: float

  def apply(self, poses: np.ndarray) -> np.ndarray:
    """Camera-to-world [T 4 4]."""
    moved = self.matrix @ poses
    moved[:, :3, 3] *= self.scale
    return moved

  def undo(self, poses: np.ndarray) -> np.ndarray:
    """The inverse of apply."""
    moved = np.array(poses)
    moved[:, :3, 3] /= self.scale
    return invert(self.matrix) @ moved


def returned(poses: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
  """Poses [T 4 4] float64 of a path of the viewer -> of its capture; a note.

  dataparser_transforms.json and transforms.json are looked for beside the path,
  and above a folder camera_paths. Poses stay where there is no such file.
  InputError: a file that is no such thing.
  """
  training = _beside(path, FILE)
  if training is None:
    return poses, (
      "poses are taken as they are; if they are in the frame of a nerfstudio"
      f" training, put its {FILE} beside the path"
    )
  fields = checked(
    read_json(training, _AGAIN), _Training, str(training), _AGAIN
  )
  matrix = _rigid(fields, "transform", training)
  found = _Similarity(matrix, fields["scale"]).undo(poses)
  note = f"poses are taken out of the training's frame by {training}"
  if capture := _beside(path, _CAPTURE):
    fields = checked(read_json(capture), _Applied, str(capture), "correct it")
    matrix, scale = np.eye(4), fields.get("applied_scale", 1.0)
    if fields.get("applied_transform") is not None:
      matrix = _rigid(fields, "applied_transform", capture)
    found = _Similarity(matrix, scale).apply(found)
    note += f" into that of {capture}"
  return found, note


def not_applied(path: Path) -> tuple[str, ...]:
  """A note where such a file lies beside poses that are a capture's own."""
  file = _beside(path, FILE)
  if file is None:
    return ()
  return (f"{file} is for paths of nerfstudio's viewer, and not applied here",)


def _beside(path: Path, name: str) -> Path | None:
  folders = [path.parent]
  if path.resolve().parent.name == _PATHS:
    folders.append(path.parent / "..")
  files = (folder / name for folder in folders)
  return next((file for file in files if file.is_file()), None)


def _rigid(fields: Any, name: str, file: Path) -> np.ndarray:
  """A rigid motion [3 4] or [4 4] -> float64 [4 4]."""
  found = read_matrix(fields, name, str(file))
  check_rigid(found, f"{file}: {name}")
  return found
