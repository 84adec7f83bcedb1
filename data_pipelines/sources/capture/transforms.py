"""Captures with a transforms.json (nerfstudio, instant-ngp, DL3DV)."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from data_pipelines.sources.capture.frames import (
  Capture,
  PosedFrame,
  image_header,
)
from scenetok_jax.geometry.camera_checks import MAX_GIVEN, check_rigid
from scenetok_jax.geometry.split_lists import held_out
from scenetok_jax.geometry.transforms_json import (
  TransformsFrame,
  read_transforms,
)
from scenetok_jax.reading.image_search import ImageFinder, natural_key

_TRAIN = "transforms_train.json"  # Blender's, and those of its other frames
_OTHERS = ("transforms_val.json", "transforms_test.json")


def read(path: Path) -> Capture:
  """Frames of a transforms.json, ordered by file name.

  Held out are those that it lists as test_filenames or val_filenames, and
  those of transforms_val.json and transforms_test.json, which follow.
  """
  files = [path]
  if path.name == _TRAIN:
    files += [f for n in _OTHERS if (f := path.with_name(n)).is_file()]
  finder = ImageFinder(path.parent)
  posed: list[PosedFrame] = []
  notes: list[str] = []
  for file in files:
    frames = read_transforms(file)
    poses = np.array([frame.pose() for frame in frames])
    check_rigid(poses, f"{file}: frames.transform_matrix", MAX_GIVEN)
    hidden, told = held_out(frames, str(file))
    found = [_posed(frame, finder) for frame in frames]
    found.sort(key=lambda frame: natural_key(frame.name))
    posed += [
      dataclasses.replace(f, held_out=file != path or f.name in hidden)
      for f in found
    ]
    notes += told
  return Capture(posed, warnings=tuple(notes))


def _posed(frame: TransformsFrame, finder: ImageFinder) -> PosedFrame:
  name = frame.name()
  image = finder.find(name, f"{frame.where}.file_path")
  shot = frame.shot(functools.partial(image_header, image))
  return PosedFrame(name, shot, image)
