"""Scores of one scene, and what it adds to distances between sets."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.measures import (
  CEILING,
  OTHER_POSES,
  REAL,
  SAMPLED,
  image_key,
)
from scenetok_jax.io import to_unit
from scenetok_jax.metrics.baselines import mean_view, nearest_view
from scenetok_jax.metrics.i3d import CLIP, split_clips
from scenetok_jax.metrics.image import psnr
from scenetok_jax.metrics.metric import Video
from scenetok_jax.metrics.registry import METRICS, of_kind
from scenetok_jax.types import InputError

# Metrics that need weights, loaded (metrics.loading), by name.
Functions = Mapping[str, Callable[..., np.ndarray]]
_JUDGED = (SAMPLED, CEILING)  # what every metric scores


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
  seconds: float
  features: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  total_seconds: float = 0.0
  generation_seconds: float = 0.0


_compiled = functools.cache(jax.jit)


def score(prediction: Prediction) -> dict[str, float]:
  """Scores that need no weights (docs/evaluation_scores.md).

  Baselines are scored on the frames that are no context views: copying those
  is no prediction. A new scene is not the true one: only the codec's round
  trip of its true frames has a score.
  """
  scene, images = prediction.scene, prediction.images
  truth = to_unit(np.asarray(scene.target.images))
  if prediction.generated:
    return {image_key("psnr", CEILING): _mean_psnr(images[CEILING], truth)}
  found = {
    image_key("psnr", who): _mean_psnr(shown, truth)
    for who, shown in images.items()
  }
  novel = np.flatnonzero(scene.novel)
  if len(novel):
    for name, baseline in (("nearest", nearest_view), ("mean", mean_view)):
      shown = baseline(scene.context, scene.target)
      found[f"{name}_view_psnr"] = _mean_psnr(shown, truth, novel)
    if len(novel) < len(truth):
      found["novel_psnr"] = _mean_psnr(images[SAMPLED], truth, novel)
  for metric in of_kind("image"):
    if metric.weights is None and metric.name not in found:
      for who in _JUDGED:
        # Averaged on the device, whose last digit is not the host's.
        mean = jnp.mean(_by_frame(metric.function, images[who], truth))
        found[image_key(metric.name, who)] = float(mean)
  return found


def scene_result(prediction: Prediction, functions: Functions) -> SceneResult:
  """All scores and features of a prediction."""
  truth = np.asarray(prediction.scene.target.images)
  images, scores = prediction.images, score(prediction)
  if not prediction.generated:
    images = {who: images[who] for who in _JUDGED}
    for name, function in functions.items():
      if METRICS[name].kind == "image":
        for who, shown in images.items():
          distances = function(to_unit(shown), to_unit(truth[: len(shown)]))
          mean = float(np.mean(distances, dtype=np.float64))
          scores[image_key(name, who)] = mean
  scores |= _video_scores(prediction, functions)
  found = features({REAL: truth, **images}, functions)
  result = SceneResult(
    key=prediction.scene.key,
    scores=scores,
    frames=len(images[SAMPLED]),
    seconds=prediction.seconds,
    features=found,
    generation_seconds=prediction.generation_seconds,
  )
  check_finite(result)
  return result


def check_finite(result: SceneResult, where: str = "") -> None:
  """InputError naming a scene, and what of it is NaN or infinite.

  Only the PSNR of equal images is rightly infinite. where: starts the message.
  """
  bad = [
    name
    for name, value in result.scores.items()
    if not (_finite(value) or (name.endswith("psnr") and value == np.inf))
  ]
  bad += [name for name, x in result.features.items() if not _finite(x)]
  if bad:
    raise InputError(
      f"{where}scene {result.key}: {', '.join(bad)}: NaN or Inf; look at its"
      " frames, and at the weights of the metric"
    )


def _finite(values: Any) -> bool:
  """In float32: distances between sets square what they are given."""
  with np.errstate(over="ignore"):
    return bool(np.isfinite(np.asarray(values).astype(np.float32)).all())


def _video_scores(
  prediction: Prediction, functions: Functions
) -> dict[str, float]:
  """Scores of the rendered video, of the real one, and of wrong poses.

  The real frames' own score is the ceiling, after it their codec's. Their
  score with another scene's poses, of metrics that use poses, is what frames
  get that ignore them. A score is the mean over the neighbouring pairs that
  can be judged, and is left out where none can.
  """
  scene, images = prediction.scene, prediction.images
  count = min(len(images[who]) for who in _JUDGED)
  sampled, ceiling, real, cameras, depth, other = jax.tree.map(
    lambda a: np.asarray(a)[:count],
    (
      *(images[who] for who in _JUDGED),
      *(scene.target.images, scene.target.cameras, scene.depth),
      prediction.other,
    ),
  )
  videos = {
    SAMPLED: Video(sampled, cameras, depth),
    REAL: Video(real, cameras, depth),
    CEILING: Video(ceiling, cameras, depth),
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
      if METRICS[name].kind == "image_set":
        found[f"{name}/{who}"] = function(images)
      elif METRICS[name].kind == "video_set" and len(images) >= CLIP:
        found[f"{name}/{who}"] = function(split_clips(to_unit(images)))
  return found


def _mean_psnr(
  images: np.ndarray, truth: np.ndarray, frames: Any = slice(None)
) -> float:
  """uint8 [t H W 3], true [T H W 3] in [0, 1] -> mean decibels of frames."""
  return float(np.mean(np.asarray(_by_frame(psnr, images, truth))[frames]))


def _by_frame(
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
