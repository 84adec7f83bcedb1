"""Consistency of videos: metrics of neighbouring frames, and what they need."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from data_pipelines.storage.depth_maps import DEPTH
from data_pipelines.storage.depth_records import DepthMaps
from data_pipelines.storage.records import Dataset
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax.evaluation.batches import EvaluationScene, SceneSource
from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.measures import (
  CEILING,
  OTHER_POSES,
  REAL,
  SAMPLED,
  image_key,
)
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.scores import Functions
from scenetok_jax.geometry import depth_images
from scenetok_jax.metrics.metric import Video
from scenetok_jax.metrics.registry import METRICS
from scenetok_jax.types import InputError

DEPTH_METRIC = "warp"


def with_depth(
  plan: EvaluationPlan, path: str, split: str, depth_data: str | None
) -> EvaluationPlan:
  """The plan's scenes with the true depth of their target frames.

  depth_data: the same scenes prepared with --depth, of which each frame is the
  depth of the same frame; None where the prepared data hold depth maps.

  Raises:
    InputError: no depth, or not of these scenes and frames.
  """
  if depth_data is None:
    dataset = Dataset(path, split)
    if not any(dataset.directory.glob(f"{DEPTH}-*")):
      raise InputError(
        f"{path}: --metrics {DEPTH_METRIC}: no depth maps in it; give the same"
        " scenes prepared with --depth by --depth-data"
      )
    read = DepthMaps(dataset).read
  else:
    dataset = Dataset(depth_data, evaluation_split(depth_data))

    def read(
      scene: str | int, frames: Sequence[int] | np.ndarray
    ) -> np.ndarray:
      return depth_images.decode(dataset.read_frames(scene, frames)[0])

  known = {row.key: row.frames for row in dataset.scenes}

  def load(source: SceneSource) -> EvaluationScene:
    if known.get(source.clip, 0) <= max(source.target):
      raise InputError(
        f"{dataset.directory}: --depth-data: scene {source.clip}: not there, or"
        f" shorter than {max(source.target) + 1} frames; prepare the same"
        " scenes"
      )
    scene = source.load()
    depth = read(source.clip, np.asarray(source.target))
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


def video_scores(
  prediction: Prediction, functions: Functions
) -> dict[str, float]:
  """Scores of the rendered video, of the real one, and of wrong poses.

  The real frames' own score is the ceiling, after it their codec's. Their
  score with another scene's poses, of metrics that use poses, is what frames
  get that ignore them. A score is the mean over the neighbouring pairs that
  can be judged, and is left out where none can.
  """
  scene = prediction.scene
  sampled, ceiling = (prediction.images[who] for who in (SAMPLED, CEILING))
  count = min(len(sampled), len(ceiling))
  real, cameras, depth, other = jax.tree.map(
    lambda a: np.asarray(a)[:count],
    (scene.target.images, scene.target.cameras, scene.depth, prediction.other),
  )
  videos = {
    SAMPLED: Video(sampled[:count], cameras, depth),
    REAL: Video(real, cameras, depth),
    CEILING: Video(ceiling[:count], cameras, depth),
  }
  posed = dict(videos)
  if other is not None:
    posed[OTHER_POSES] = Video(real, other, depth)
  found = {}
  for name, function in functions.items():
    kind = METRICS[name].kind
    if kind in ("video", "posed_video") and count > 1:
      for who, video in (posed if kind == "posed_video" else videos).items():
        values = function(video)
        if np.isfinite(values).any():
          found[image_key(name, who)] = float(np.nanmean(values))
  return found
