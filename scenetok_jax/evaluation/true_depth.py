"""Scenes with the true depth of their frames, which warped errors need."""

import dataclasses
import functools

import numpy as np

from data_pipelines.storage.depth_maps import DEPTH
from data_pipelines.storage.depth_records import DepthMaps
from data_pipelines.storage.records import Dataset
from scenetok_jax.evaluation.batches import EvaluationScene, SceneSource
from scenetok_jax.evaluation.plan import EvaluationPlan, open_dataset
from scenetok_jax.geometry import depth_images
from scenetok_jax.types import InputError

DEPTH_METRIC = "warp"


def with_depth(
  plan: EvaluationPlan, dataset: Dataset, depth_data: str | None
) -> EvaluationPlan:
  """The plan's scenes with the true depth of their target frames.

  depth_data: the same scenes prepared with --depth, of which each frame is the
  depth of the same frame; None where the dataset itself holds depth maps.
  Raises InputError: no depth, or not of these scenes and frames.
  """
  maps = None
  if depth_data is not None:
    dataset = open_dataset(depth_data)
  elif any(dataset.directory.glob(f"{DEPTH}-*")):
    maps = DepthMaps(dataset)
  else:
    raise InputError(
      f"{dataset.path}: --metrics {DEPTH_METRIC}: no depth maps in it; give the"
      " same scenes prepared with --depth by --depth-data"
    )
  known = {row.key: row.frames for row in dataset.scenes}

  def load(source: SceneSource) -> EvaluationScene:
    if known.get(source.clip, 0) <= max(source.target):
      raise InputError(
        f"{dataset.directory}: --depth-data: scene {source.clip}: not there, or"
        f" shorter than {max(source.target) + 1} frames; prepare the same"
        " scenes"
      )
    scene = source.load()
    if maps:
      depth = maps.read(source.clip, source.target)
    else:
      images, _ = dataset.read_frames(source.clip, source.target)
      depth = depth_images.decode(images)
    height, width = np.asarray(scene.target.images).shape[1:3]
    if depth.shape[1:] != (height, width):
      raise InputError(
        f"{dataset.directory}: --depth-data: {depth.shape[2]} x"
        f" {depth.shape[1]} pixels, frames have {width} x {height}; prepare"
        f" with --size={height}"
      )
    return dataclasses.replace(scene, depth=depth)

  sources = tuple(
    dataclasses.replace(source, load=functools.partial(load, source))
    for source in plan.sources
  )
  return dataclasses.replace(plan, sources=sources)
