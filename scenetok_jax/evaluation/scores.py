"""Scores of one scene, and what it adds to distances between sets."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.generation import Generated
from scenetok_jax.evaluation.measures import (
  CEILING,
  REAL,
  SAMPLED,
  image_key,
)
from scenetok_jax.io import to_unit
from scenetok_jax.metrics.baselines import mean_view, nearest_view
from scenetok_jax.metrics.i3d import CLIP, split_clips
from scenetok_jax.metrics.image import psnr
from scenetok_jax.metrics.metric import Kind
from scenetok_jax.metrics.registry import METRICS, of_kind

# Metrics that need weights, loaded (metrics.loading), by name.
Functions = Mapping[str, Callable[..., np.ndarray]]


@dataclasses.dataclass(frozen=True)
class SceneResult:
  """One scene's scores, which are means over its frames.

  features: by "metric/who", [n D] each: of the images of `who`, such as
  "fid/real". seconds: to encode or generate, render and decode;
  generation_seconds: of these, to generate tokens. total_seconds: to read,
  render and score, compilation included.
  """

  key: str
  scores: dict[str, float]
  frames: int
  novel_frames: int
  seconds: float
  features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  total_seconds: float = 0.0
  generation_seconds: float = 0.0


_compiled = functools.cache(jax.jit)


def score(prediction: Prediction) -> dict[str, float]:
  """Scores that need no weights (docs/evaluation.md).

  Baselines are scored on the frames that are no context views: copying those
  is no prediction.
  """
  scene = prediction.scene
  truth = to_unit(np.asarray(scene.target.images))
  novel = np.flatnonzero(scene.novel_frames)

  def mean_psnr(images: np.ndarray | None, frames: Any = slice(None)) -> Any:
    if images is None:
      return None
    values = np.asarray(_frames(psnr, images, truth))[frames]
    return float(np.mean(values)) if values.size else None

  context, target = scene.context, scene.target
  found = {
    "psnr": mean_psnr(prediction.sampled),
    "one_step_psnr": mean_psnr(prediction.one_step),
    "wrong_scene_psnr": mean_psnr(prediction.wrong_scene),
    "nearest_view_psnr": mean_psnr(nearest_view(context, target), novel),
    "mean_view_psnr": mean_psnr(mean_view(context, target), novel),
    "codec_ceiling_psnr": mean_psnr(prediction.ceiling),
  }
  for metric in of_kind("image"):
    if metric.weights is None and metric.name not in found:
      for who, images in _judged(prediction):
        # Averaged on the device, whose last digit is not the host's.
        mean = jnp.mean(_frames(metric.function, images, truth))
        found[image_key(metric.name, who)] = float(mean)
  if len(novel) < len(truth):
    found["novel_psnr"] = mean_psnr(prediction.sampled, novel)
  return {name: value for name, value in found.items() if value is not None}


def rendered_result(
  prediction: Prediction, functions: Functions
) -> SceneResult:
  """All scores and features of a prediction."""
  scene = prediction.scene
  truth, scores = np.asarray(scene.target.images), score(prediction)
  for name, function in functions.items():
    if METRICS[name].kind == "image":
      for who, images in _judged(prediction):
        distances = function(to_unit(images), to_unit(truth[: len(images)]))
        mean = float(np.mean(distances, dtype=np.float64))
        scores[image_key(name, who)] = mean
  return SceneResult(
    key=scene.key,
    scores=scores,
    frames=len(prediction.sampled),
    novel_frames=int(scene.novel_frames[: len(prediction.sampled)].sum()),
    seconds=prediction.seconds,
    features=features({REAL: truth, **dict(_judged(prediction))}, functions),
  )


def generated_result(generated: Generated, functions: Functions) -> SceneResult:
  """What a generated scene adds to distances between sets.

  It is not the true scene, so only the codec's round trip has scores.
  """
  scene, count = generated.scene, len(generated.ceiling)
  truth = np.asarray(scene.target.images)
  ceiling = np.asarray(_frames(psnr, generated.ceiling, to_unit(truth[:count])))
  sets = {REAL: truth, **generated.images, CEILING: generated.ceiling}
  frames = len(generated.images[SAMPLED])
  return SceneResult(
    key=scene.key,
    scores={image_key("psnr", CEILING): float(np.mean(ceiling))},
    frames=frames,
    novel_frames=int(scene.novel_frames[:frames].sum()),
    seconds=generated.seconds,
    features=features(sets, functions),
    generation_seconds=generated.generation_seconds,
  )


def features(
  sets: Mapping[str, np.ndarray], functions: Functions
) -> dict[str, np.ndarray]:
  """uint8 frames [T H W 3] by name -> features by "metric/name".

  Frames that fill no clip of 16 have no part in distances between sets of
  videos: clips never straddle two scenes. A scene shorter than a clip has
  none.
  """
  found = {}
  for who, images in sets.items():
    for name, function in functions.items():
      inputs = _set_inputs(METRICS[name].kind, images)
      if inputs is not None:
        found[f"{name}/{who}"] = function(inputs)
  return found


def _set_inputs(kind: Kind, images: np.ndarray) -> np.ndarray | None:
  """uint8 frames [T H W 3] as a metric of this kind takes them, if it does."""
  if kind == "image_set":
    return images
  if kind == "video_set" and len(images) >= CLIP:
    return split_clips(to_unit(images))
  return None


def _judged(prediction: Prediction) -> Iterator[tuple[str, np.ndarray]]:
  """What every metric scores."""
  yield SAMPLED, prediction.sampled
  yield CEILING, prediction.ceiling


def _frames(
  function: Callable[..., Any], images: np.ndarray, truth: np.ndarray
) -> jax.Array:
  """uint8 [t H W 3], true [T H W 3] in [0, 1] -> scores of the frames [t]."""
  # A codec may decode fewer frames than it was given.
  return _compiled(function)(to_unit(images), truth[: len(images)])


def average(scores: Sequence[dict[str, float]]) -> dict[str, Any]:
  """Mean over scenes, each scene counting once, plus the conditioning gap.

  A score that some scenes lack is averaged over the others. The gap is None
  for a single scene, whose tokens cannot be swapped.
  """
  names = dict.fromkeys(name for scene in scores for name in scene)
  means: dict[str, Any] = {
    name: float(np.mean([scene[name] for scene in scores if name in scene]))
    for name in names
  }
  if "wrong_scene_psnr" in means:
    gap = means["psnr"] - means["wrong_scene_psnr"]
    means["conditioning_gap_db"] = gap if len(scores) > 1 else None
  means["scenes"] = len(scores)
  return means
