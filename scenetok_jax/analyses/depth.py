"""How well does a renderer fine-tuned on depth draw the depth of new views?

Context views in colour come from --data, the true depth of the same scenes
and frames from --depth-data (`scenetok prepare --dataset=rooms --depth`, or a
depth model's output). The baselines know the truth that is scored: the mean
depth of everything, of each scene, and of each pixel of the picture.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from einops import reduce

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.analyses import plots
from scenetok_jax.analyses.findings import Findings, Tell, bar, ends, verdict
from scenetok_jax.analyses.novel_views import choose_frames, open_scenes
from scenetok_jax.analyses.options import FrameOptions
from scenetok_jax.analyses.sampler import evaluation_options
from scenetok_jax.evaluation.batches import EvaluationScene
from scenetok_jax.evaluation.bootstrap import mean_interval
from scenetok_jax.evaluation.evaluator import Prediction, predict
from scenetok_jax.evaluation.measures import CEILING, SAMPLED
from scenetok_jax.geometry import depth_images
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import colorize, contact_sheet
from scenetok_jax.metrics.depth import METRICS
from scenetok_jax.metrics.registry import get_metric
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError, Views, option

_SHOWN = 8
SCORES = tuple(metric.name for metric in METRICS)
BASELINES = ("mean depth", "mean of the scene", "mean picture")
Table = dict[str, dict[str, dict[str, float]]]  # who -> scene -> scores


@dataclasses.dataclass(frozen=True)
class DepthOptions(FrameOptions):
  """depth_data: prepared scenes of the same names and frames."""

  depth_data: str = option(
    None, "the true depth", required=True, metavar="DATA"
  )
  frames: Few = option(24, "frames rendered of each")


def run(
  scenetok: SceneTok, options: DepthOptions, tell: Tell = say
) -> Findings:
  """Scores of depth from tokens and of the baselines, with a sheet."""
  with scenetok.placed(options.batch) as scenetok:
    settings = evaluation_options(scenetok, options)
    opened = open_scenes(scenetok, options)
    scenes = depth_scenes(scenetok, opened, options)
    with console.Progress("scenes", len(scenes), "scene") as progress:
      found = list(
        predict(
          scenetok.model, scenetok.params, scenes, settings, progress.update
        )
      )
  table = scored(found)
  intervals = {
    score: {
      name: mean_interval({key: row[score] for key, row in rows.items()})
      for name, rows in table.items()
    }
    for score in SCORES
  }
  for name in table:
    means = "   ".join(
      f"{score} {intervals[score][name].value:.4f}" for score in SCORES
    )
    tell(f"{name:<24}{means}")
  return Findings(
    "depth",
    {
      "findings": _comparisons(table, tell),
      "checkpoint_step": scenetok.step,
      "scenes": len(found),
      "scores": {
        name: {
          score: {
            "value": intervals[score][name].value,
            "interval": ends(intervals[score][name]),
          }
          for score in SCORES
        }
        for name in table
      },
      "per_scene": table,
    },
    plots={
      "depth.png": functools.partial(
        plots.bars,
        label="",
        groups={
          plots.metric_label(score): {name: bar(i) for name, i in rows.items()}
          for score, rows in intervals.items()
        },
      )
    },
    pictures={"depth_sheet.png": sheet(found[:3], opened)},
  )


def depth_scenes(
  scenetok: SceneTok, opened: list[OpenScene], options: DepthOptions
) -> list[EvaluationScene]:
  """Colour context and depth targets of the novel frames.

  Raises:
    InputError: a scene or frame without depth, or of another size.
  """
  split = options.split or evaluation_split(options.depth_data)
  dataset = records.Dataset(options.depth_data, split)
  rows = {row.key: row for row in dataset.scenes}
  scenes = []
  for scene in opened:
    row = rows.get(scene.key)
    frames = choose_frames(scenetok, scene.novel, options.frames)
    if row is None or row.frames <= frames.max():
      raise InputError(
        f"{dataset.directory}: --depth-data: scene {scene.key}: not there, or"
        f" shorter than {frames.max() + 1} frames; prepare the same scenes"
      )
    if row.height != scenetok.model.image_size:
      raise InputError(
        f"{dataset.directory}: --depth-data: images of {row.height} pixels,"
        f" the model draws {scenetok.model.image_size}; prepare with"
        f" --size={scenetok.model.image_size}"
      )
    images, _ = dataset.read_frames(row, frames)
    target = Views(images=images, cameras=scene.take(frames).cameras)
    novel = np.ones(len(frames), bool)
    scenes.append(
      EvaluationScene(scene.key, scene.context_views, target, novel)
    )
  return scenes


def scored(predictions: Sequence[Prediction]) -> Table:
  """Who -> scene -> scores, of the renderings and of the baselines."""
  truths = [
    np.asarray(p.scene.target.images)[: len(p.images[SAMPLED])]
    for p in predictions
  ]
  levels = [np.asarray(t, np.float32).mean(axis=-1) for t in truths]
  shape = levels[0].shape[1:]
  pooled = np.concatenate(levels)
  metres = np.concatenate([depth_images.decode(t) for t in truths])
  constant = np.full(shape, metres.mean())
  picture = _metres(reduce(pooled, "t h w -> h w", "mean"))

  def rendered(name: str) -> Callable[[int], np.ndarray]:
    return lambda i: depth_images.decode(predictions[i].images[name])

  def scene_mean(i: int) -> np.ndarray:
    return np.full(shape, _metres(levels[i].mean()))

  who: dict[str, Callable[[int], np.ndarray]] = {
    "sampled": rendered(SAMPLED),
    "one step": rendered("one_step"),
    "another scene's tokens": rendered("wrong_scene"),
    "codec ceiling": rendered(CEILING),
    "mean depth": lambda i: constant,
    "mean of the scene": scene_mean,
    "mean picture": lambda i: picture,
  }
  table: Table = {name: {} for name in who}
  for i, prediction in enumerate(predictions):
    truth = depth_images.decode(truths[i])
    for name, depth in who.items():
      shown = np.broadcast_to(depth(i), truth.shape)
      table[name][prediction.scene.key] = depth_scores(shown, truth)
  return table


def depth_scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
  """Depth maps [... H W] twice, in one unit -> the metrics, and pixels.

  Only pixels whose true depth is finite and positive count; a prediction there
  that is zero or negative is outside of any ratio.

  Raises:
    InputError: shapes differ, no pixel has a true depth, or a prediction at
      such a pixel is not finite.
  """
  p, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
  if p.shape != t.shape:
    raise InputError(
      f"depth: maps {list(p.shape)} predicted and {list(t.shape)} true ones;"
      " give as many of one size"
    )
  valid = np.isfinite(t) & (t > 0)
  if not valid.any():
    raise InputError("depth: no pixel has a true depth; give metric depths")
  p, t = p[valid], t[valid]
  if not np.isfinite(p).all():
    raise InputError(
      f"depth: {np.sum(~np.isfinite(p))} predicted depths are not finite"
    )
  scores = {metric.name: metric.function(p, t) for metric in METRICS}
  return {**scores, "pixels": int(t.size)}


def _metres(level: np.ndarray) -> np.ndarray:
  return depth_images.decode(
    np.repeat(np.asarray(level)[..., None], 3, axis=-1)
  )


def _comparisons(table: Table, tell: Tell) -> list[dict[str, Any]]:
  """Do the renderings beat each baseline, scene by scene?"""
  found = []
  for baseline in BASELINES:
    for score in ("abs_rel", "delta_1.25"):
      sign = 1 if get_metric(score).better == "lower" else -1
      gap = mean_interval(
        {
          key: sign * (table[baseline][key][score] - row[score])
          for key, row in table["sampled"].items()
        }
      )
      holds = gap.low > 0
      found.append(
        {
          "baseline": baseline,
          "score": score,
          "better_by": gap.value,
          "interval": ends(gap),
          "holds": holds,
        }
      )
      tell(
        verdict(
          f"depth from tokens beats the baseline {baseline!r} in {score}",
          holds,
          f"better by {gap.value:+.4f}, 95 %: {gap.low:+.4f} to"
          f" {gap.high:+.4f}",
        )
      )
  return found


def sheet(
  predictions: Sequence[Prediction], opened: Sequence[OpenScene]
) -> np.ndarray:
  """Colour, drawn depth and true depth of the first scenes."""
  clips = {scene.key: scene for scene in opened}
  rows = []
  for prediction in predictions:
    scene = clips[prediction.scene.key]
    truth = np.asarray(prediction.scene.target.images)
    images = {
      name: depth_images.decode(shown)
      for name, shown in prediction.images.items()
    }
    truth = depth_images.decode(truth[: len(images[SAMPLED])])
    colors = functools.partial(
      colorize, high=float(truth.max()), colormap="viridis"
    )
    context = np.asarray(scene.context_views.images)
    rows += [
      (f"{scene.key}: context views", context),
      ("depth, sampled", colors(images[SAMPLED])),
      ("depth, one step", colors(images["one_step"])),
      (f"true depth, up to {truth.max():.1f} m", colors(truth)),
    ]
  return contact_sheet(rows, columns=_SHOWN)
