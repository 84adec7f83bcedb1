"""How well does a renderer fine-tuned on depth draw the depth of new views?

Context views in colour come from --data, the true depth of the same scenes
and frames from --depth-data (`scenetok prepare --dataset=rooms --depth`, or a
depth model's output). The baselines know the truth that is scored: the mean
depth of everything, of each scene, and of each pixel of the picture.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from einops import reduce

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.analyses import plots, study
from scenetok_jax.evaluation.batches import EvaluationScene
from scenetok_jax.evaluation.bootstrap import Interval, mean_interval
from scenetok_jax.evaluation.evaluator import (
  Prediction,
  predict,
)
from scenetok_jax.geometry import depth_images
from scenetok_jax.inference import placement
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import colorize, contact_sheet, write_png
from scenetok_jax.metrics.depth import depth_scores
from scenetok_jax.types import InputError, Views

KIND = "depth"
_SHOWN = 8
SCORES = ("abs_rel", "rmse", "delta_1.25")


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/depth.json, depth.png and a contact sheet; prints the table."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = study.evaluation_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch) as scenetok:
    opened = study.open_scenes(scenetok, args)
    scenes = depth_scenes(scenetok, opened, args)
    with console.Progress("scenes", len(scenes), "scene") as progress:
      found = list(
        predict(
          scenetok.model, scenetok.params, scenes, options, progress.update
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
    print(f"{name:<24}{means}")
  findings = _findings(table)
  plots.bars(out / f"{KIND}.png", "", _bars(intervals))
  write_png(out / f"{KIND}_sheet.png", sheet(found[:3], opened))
  result = {
    "findings": findings,
    "checkpoint_step": scenetok.step,
    "scenes": len(found),
    "scores": {
      name: {
        score: {
          "value": intervals[score][name].value,
          "interval": [
            intervals[score][name].low,
            intervals[score][name].high,
          ],
        }
        for score in SCORES
      }
      for name in table
    },
    "per_scene": table,
  }
  study.write(out, KIND, result, args)
  return 0


def depth_scenes(
  scenetok: SceneTok, opened: list[OpenScene], args: argparse.Namespace
) -> list[EvaluationScene]:
  """Colour context and depth targets of the novel frames.

  Raises:
    InputError: a scene or frame without depth, or of another size.
  """
  split = args.split or evaluation_split(args.depth_data)
  dataset = records.Dataset(args.depth_data, split)
  rows = {row.key: row for row in dataset.scenes}
  scenes = []
  for scene in opened:
    row, frames = (
      rows.get(scene.key),
      study.chosen(scenetok, scene.novel, args.frames),
    )
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
    scenes.append(EvaluationScene(scene.key, scene.context_views, target))
  return scenes


def scored(
  predictions: Sequence[Prediction],
) -> dict[str, dict[str, dict[str, float]]]:
  """Who -> scene -> scores, of the renderings and of the baselines."""
  truths = [
    np.asarray(p.scene.target.images)[: len(p.sampled)] for p in predictions
  ]
  levels = [np.asarray(t, np.float32).mean(axis=-1) for t in truths]
  shape = levels[0].shape[1:]
  pooled = np.concatenate(levels)
  metres = np.concatenate([depth_images.decode(t) for t in truths])
  constant = np.full(shape, metres.mean())
  picture = _metres(reduce(pooled, "t h w -> h w", "mean"))

  def scene_mean(i: int) -> np.ndarray:
    return np.full(shape, _metres(levels[i].mean()))

  who: dict[str, Callable[[int], np.ndarray]] = {
    "sampled": lambda i: depth_images.decode(predictions[i].sampled),
    "one step": lambda i: _decoded(predictions[i].one_step),
    "another scene's tokens": lambda i: _decoded(predictions[i].wrong_scene),
    "codec ceiling": lambda i: depth_images.decode(predictions[i].ceiling),
    "mean depth": lambda i: constant,
    "mean of the scene": scene_mean,
    "mean picture": lambda i: picture,
  }
  table: dict[str, dict[str, dict[str, float]]] = {name: {} for name in who}
  for i, prediction in enumerate(predictions):
    truth = depth_images.decode(truths[i])
    for name, depth in who.items():
      shown = np.broadcast_to(depth(i), truth.shape)
      table[name][prediction.scene.key] = depth_scores(shown, truth)
  return table


def _decoded(images: np.ndarray | None) -> np.ndarray:
  assert images is not None  # options.probes is on
  return depth_images.decode(images)


def _metres(level: np.ndarray) -> np.ndarray:
  return depth_images.decode(
    np.repeat(np.asarray(level)[..., None], 3, axis=-1)
  )


def _findings(
  table: dict[str, dict[str, dict[str, float]]],
) -> list[dict[str, Any]]:
  """Do the renderings beat each baseline, scene by scene?"""
  found = []
  for baseline in ("mean depth", "mean of the scene", "mean picture"):
    for score, sign in (("abs_rel", 1), ("delta_1.25", -1)):
      gaps = {
        key: sign * (table[baseline][key][score] - row[score])
        for key, row in table["sampled"].items()
      }
      gap: Interval = mean_interval(gaps)
      holds = gap.low > 0
      found.append(
        {
          "baseline": baseline,
          "score": score,
          "better_by": gap.value,
          "interval": [gap.low, gap.high],
          "holds": holds,
        }
      )
      print(
        f"finding: depth from tokens beats the baseline {baseline!r} in"
        f" {score}: {'holds' if holds else 'DOES NOT HOLD'} (better by"
        f" {gap.value:+.4f}, 95 %: {gap.low:+.4f} to {gap.high:+.4f})"
      )
  return found


def _bars(intervals: dict[str, dict[str, Interval]]) -> dict[str, Any]:
  return {
    score: {name: (i.value, i.low, i.high) for name, i in rows.items()}
    for score, rows in intervals.items()
  }


def sheet(
  predictions: Sequence[Prediction], opened: Sequence[OpenScene]
) -> np.ndarray:
  """Colour, drawn depth and true depth of the first scenes."""
  clips = {scene.key: scene for scene in opened}
  rows = []
  for prediction in predictions:
    count = len(prediction.sampled)
    shown = np.unique(np.linspace(0, count - 1, _SHOWN).astype(int))
    scene = clips[prediction.scene.key]
    truth = depth_images.decode(
      np.asarray(prediction.scene.target.images)[:count]
    )
    top = float(truth.max())

    def colors(images: np.ndarray | None, shown=shown, top=top) -> np.ndarray:
      return colorize(_decoded(images)[shown], high=top, colormap="viridis")

    context = np.asarray(scene.context_views.images)
    rows += [
      (f"{scene.key}: context views", context),
      ("depth, sampled", colors(prediction.sampled)),
      ("depth, one step", colors(prediction.one_step)),
      (
        f"true depth, up to {top:.1f} m",
        colorize(truth[shown], high=top, colormap="viridis"),
      ),
    ]
  return contact_sheet(rows)


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a run of configs/scenetok_depth.py")
  add("--depth-data", required=True, metavar="DATA", help="the true depth")
  study.add_options(add, frames=24)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
