"""Scores of one scene, and what it adds to distances between sets."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.evaluation.baselines import mean_view, nearest_view
from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.generation import Generated
from scenetok_jax.metrics.i3d import CLIP, split_clips
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.types import Array

Network = Callable[..., np.ndarray]
REAL, CEILING = "real", "codec_ceiling"


@dataclasses.dataclass(frozen=True)
class SceneResult:
  """One scene's scores, which are means over its frames.

  features: by "network/who", [n D] each: of the images of `who`, such as
  "fid_inception/real". seconds: to encode or generate, render and decode;
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


_psnr = jax.jit(psnr)
_ssim = jax.jit(ssim)


def score(prediction: Prediction) -> dict[str, float]:
  """Scores that need no network (docs/evaluation.md).

  Baselines are scored on the frames that are no context views: copying those
  is no prediction.
  """
  scene = prediction.scene
  truth = _unit(scene.target.images)
  novel = np.flatnonzero(scene.novel_frames)

  def mean_psnr(images: np.ndarray | None, frames: Any = slice(None)) -> Any:
    if images is None:
      return None
    # A codec may decode fewer frames than it was given.
    values = np.asarray(_psnr(_unit(images), truth[: len(images)]))
    return float(np.mean(values[frames])) if values[frames].size else None

  def mean_ssim(images: np.ndarray) -> float:
    return float(jnp.mean(_ssim(_unit(images), truth[: len(images)])))

  context, target = scene.context, scene.target
  found = {
    "psnr": mean_psnr(prediction.sampled),
    "one_step_psnr": mean_psnr(prediction.one_step),
    "wrong_scene_psnr": mean_psnr(prediction.wrong_scene),
    "ssim": mean_ssim(prediction.sampled),
    "nearest_view_psnr": mean_psnr(nearest_view(context, target), novel),
    "mean_view_psnr": mean_psnr(mean_view(context, target), novel),
    "codec_ceiling_psnr": mean_psnr(prediction.ceiling),
    "codec_ceiling_ssim": mean_ssim(prediction.ceiling),
  }
  if len(novel) < len(truth):
    found["novel_psnr"] = mean_psnr(prediction.sampled, novel)
  return {name: value for name, value in found.items() if value is not None}


def result(
  prediction: Prediction, networks: Mapping[str, Network]
) -> SceneResult:
  """All scores and features of a prediction.

  networks: evaluation networks by name (metrics.registry).
  """
  scene = prediction.scene
  truth, scores = np.asarray(scene.target.images), score(prediction)
  sets = {
    REAL: truth,
    "sampled": prediction.sampled,
    CEILING: prediction.ceiling,
  }
  if "lpips_vgg" in networks:
    lpips = networks["lpips_vgg"]
    for name, prefix in (("sampled", ""), (CEILING, f"{CEILING}_")):
      images = sets[name]
      distances = lpips(_unit(images), _unit(truth[: len(images)]))
      scores[f"{prefix}lpips"] = float(np.mean(distances, dtype=np.float64))
  return SceneResult(
    key=scene.key,
    scores=scores,
    frames=len(prediction.sampled),
    novel_frames=int(scene.novel_frames[: len(prediction.sampled)].sum()),
    seconds=prediction.seconds,
    features=features(sets, networks),
  )


def generated_result(
  generated: Generated, networks: Mapping[str, Network]
) -> SceneResult:
  """What a generated scene adds to distances between sets.

  It is not the true scene, so only the codec's round trip has scores.
  """
  scene, count = generated.scene, len(generated.ceiling)
  truth = np.asarray(scene.target.images)
  ceiling = np.asarray(_psnr(_unit(generated.ceiling), _unit(truth[:count])))
  sets = {REAL: truth, **generated.images, CEILING: generated.ceiling}
  frames = len(generated.images["sampled"])
  return SceneResult(
    key=scene.key,
    scores={"codec_ceiling_psnr": float(np.mean(ceiling))},
    frames=frames,
    novel_frames=int(scene.novel_frames[:frames].sum()),
    seconds=generated.seconds,
    features=features(sets, networks),
    generation_seconds=generated.generation_seconds,
  )


def features(
  sets: Mapping[str, np.ndarray], networks: Mapping[str, Network]
) -> dict[str, np.ndarray]:
  """uint8 frames [T H W 3] by name -> features by "network/name".

  Frames that fill no clip of 16 have no part in fvd_i3d: clips never straddle
  two scenes. A scene shorter than a clip has none.
  """
  found = {}
  for who, images in sets.items():
    if "fid_inception" in networks:
      found[f"fid_inception/{who}"] = networks["fid_inception"](images)
    if "vgg" in networks:
      found[f"vgg/{who}"] = networks["vgg"](images)
    if "fvd_i3d" in networks and len(images) >= CLIP:
      clips = split_clips(_unit(images))
      found[f"fvd_i3d/{who}"] = networks["fvd_i3d"](clips)
  return found


def _unit(images: Array) -> np.ndarray:
  return np.asarray(images, np.float32) / 255.0


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
