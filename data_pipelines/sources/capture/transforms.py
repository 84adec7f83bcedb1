"""Captures with a transforms.json (nerfstudio, instant-ngp, DL3DV)."""

import functools
from pathlib import Path

import numpy as np

from data_pipelines.sources.capture.frames import (
  Capture,
  ImageFinder,
  PosedFrame,
  image_size,
  natural_key,
)
from scenetok_jax.geometry.camera_checks import check_rigid
from scenetok_jax.geometry.transforms_json import (
  distortion_note,
  read_transforms,
)


def read(path: Path) -> Capture:
  """Frames of a transforms.json, ordered by file name."""
  frames = read_transforms(path)
  poses = np.array([frame.pose() for frame in frames])
  check_rigid(poses, f"{path}: frames.transform_matrix")
  finder = ImageFinder(path.parent)
  posed = []
  for frame, c2w in zip(frames, poses, strict=True):
    name = frame.name()
    image = finder.find(name, f"{frame.where}.file_path")
    matrix, size = frame.intrinsics(functools.partial(image_size, image))
    posed.append(PosedFrame(name, frame.where, c2w, matrix, size, image))
  posed.sort(key=lambda frame: natural_key(frame.name))
  return Capture(posed, warnings=distortion_note(frames))
