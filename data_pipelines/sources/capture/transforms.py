"""Captures with a transforms.json (nerfstudio, instant-ngp, DL3DV)."""

import functools
from pathlib import Path

import numpy as np

from data_pipelines.sources.capture.frames import (
  Capture,
  ImageFinder,
  PosedFrame,
  image_header,
  natural_key,
)
from scenetok_jax.geometry.camera_checks import MAX_GIVEN, check_rigid
from scenetok_jax.geometry.transforms_json import read_transforms


def read(path: Path) -> Capture:
  """Frames of a transforms.json, ordered by file name."""
  frames = read_transforms(path)
  poses = np.array([frame.pose() for frame in frames])
  check_rigid(poses, f"{path}: frames.transform_matrix", MAX_GIVEN)
  finder = ImageFinder(path.parent)
  posed = []
  for frame in frames:
    name = frame.name()
    image = finder.find(name, f"{frame.where}.file_path")
    shot = frame.shot(functools.partial(image_header, image))
    posed.append(PosedFrame(name, shot, image))
  posed.sort(key=lambda frame: natural_key(frame.name))
  return Capture(posed)
