"""Are generated scenes nearer to real ones than those of weaker generators?

Each scene's first frame is given, its path is walked, and all frames form one
set, as in the paper's gFID. The same generator is also given another scene's
cameras (shuffled pose), or no image at all (unconditional). With Inception's
weights the distance is FID; without them it is a Frechet distance of VGG16
features, which is not FID and compares only with itself.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import plots
from scenetok_jax.analyses.findings import Findings, Tell, bar, ends, verdict
from scenetok_jax.analyses.options import SceneOptions
from scenetok_jax.analyses.sampler import evaluation_options
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.bootstrap import Interval, pooled_interval
from scenetok_jax.evaluation.measures import (
  CEILING,
  REAL,
  SAMPLED,
  SHUFFLED_POSE,
  UNCONDITIONAL,
)
from scenetok_jax.evaluation.plan import first_views, prepared_data
from scenetok_jax.evaluation.scene_results import scorer
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import stack_images
from scenetok_jax.metrics import frechet
from scenetok_jax.metrics.loading import LoadedMetrics, load_metrics, missing
from scenetok_jax.metrics.registry import METRICS, of_kind
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import remark, say
from scenetok_jax.types import InputError, option

DISTANCES = tuple(m.name for m in of_kind("image_set", "video_set"))
_SHEETS = 4


@dataclasses.dataclass(frozen=True)
class GenerationOptions(SceneOptions):
  """Two scenes or more, so that each has another's cameras."""

  batch: Few = option(4, "scenes generated together")
  metrics: tuple[str, ...] = option((), "default: fid", choices=DISTANCES)
  metric_weights: str | None = option(
    None, "of FID's and FVD's networks", metavar="DIR"
  )
  resamples: Few = option(50, "of scenes, for intervals")

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.scenes < 2:
      raise InputError(
        "--scenes: 1 scene has no other's cameras; give 2 or more"
      )
    if self.batch < 2:
      raise InputError(
        "--batch: 1 scene at a time has no other's cameras; give 2 or more"
      )


def run(
  scenetok: SceneTok, options: GenerationOptions, tell: Tell = say
) -> Findings:
  """Distances of generated sets from the true one, with a sheet."""
  networks = _networks(options)
  with scenetok.placed(options.batch) as scenetok:
    results, sheets = _generate(scenetok, options, networks)
  found = {
    metric: _compare(metric, results, options, tell)
    for metric in networks.weights
  }
  return Findings(
    "generation",
    {
      "checkpoint_step": scenetok.step,
      "scenes": len(results),
      "frames": sum(r.frames for r in results),
      "seconds_per_scene": np.mean([r.seconds for r in results]),
      "weights": networks.weights,
      "metrics": found,
    },
    plots={
      "generation.png": functools.partial(
        plots.bars,
        label="distance to the true frames",
        groups={_label(metric): rows["bars"] for metric, rows in found.items()},
      )
    },
    pictures={"generation_sheet.png": stack_images(sheets)},
  )


def _networks(options: GenerationOptions) -> LoadedMetrics:
  """The metrics asked for; by default FID, or its stand-in without weights."""
  metrics = options.metrics
  if not metrics:
    reason = missing("fid", options.metric_weights)
    metrics = ("fid",) if reason is None else ("fd_vgg",)
    if reason is not None:
      remark(f"without FID: {reason}")
  return load_metrics(metrics, options.metric_weights)


def _generate(
  scenetok: SceneTok, options: GenerationOptions, networks: LoadedMetrics
) -> tuple[list[SceneResult], list[np.ndarray]]:
  """All scenes' features, and the sheets of the first scenes."""
  dataset = prepared_data(scenetok, options.data, options.split)
  plan = first_views(dataset, options.scenes)
  if len(plan.sources) < 2:
    raise InputError(
      f"{dataset.directory}: 1 scene has no other's cameras; prepare 2 or more"
    )
  settings = evaluation_options(scenetok, options)
  compute = scorer(scenetok, settings, networks, generated=True)
  plan = plan.fitted(scenetok.model)
  results, sheets = [], []
  with console.Progress("scenes", len(plan.sources), "scene") as progress:
    for batch in batches(plan.sources, options.batch):
      for result, sheet in compute(batch):
        results.append(result)
        sheets.append(sheet)
        progress.update()
  return results, sheets[:_SHEETS]


def _compare(
  metric: str,
  results: Sequence[SceneResult],
  options: GenerationOptions,
  tell: Tell,
) -> dict[str, Any]:
  """Distances of all sets, and by how much the samples are nearer."""
  parts = {
    r.key: {
      name.split("/")[1]: frechet.statistics(values)
      for name, values in r.features.items()
      if name.split("/")[0] == metric
    }
    for r in results
  }
  names = (SAMPLED, SHUFFLED_POSE, UNCONDITIONAL, CEILING)
  # A last batch of one scene has no other scene's cameras.
  whole = {k: p for k, p in parts.items() if {REAL, *names} <= p.keys()}
  left = len(parts) - len(whole)
  if left:
    tell(f"{left} scenes lack a set and are left out; change --batch")

  def interval(statistic: Callable[[Any], float]) -> Interval:
    return pooled_interval(
      whole, statistic, resamples=options.resamples, seed=options.seed
    )

  found = {
    name: interval(functools.partial(_distance, name=name)) for name in names
  }
  for name, value in found.items():
    tell(
      f"{_label(metric)}: {name:<14} {value.value:9.3f}"
      f" (95 %: {value.low:.3f} to {value.high:.3f})"
    )
  findings = []
  for name in (SHUFFLED_POSE, UNCONDITIONAL):
    gap = interval(functools.partial(_gap, name=name))
    holds = gap.low > 0
    tell(
      verdict(
        f"samples are nearer than {name}",
        holds,
        f"by {gap.value:+.3f}, 95 %: {gap.low:+.3f} to {gap.high:+.3f} over"
        f" {gap.scenes} scenes",
      )
    )
    findings.append(
      {
        "baseline": name,
        "nearer_by": gap.value,
        "interval": ends(gap),
        "holds": holds,
      }
    )
  return {
    "label": _label(metric),
    "bars": {n: bar(v) for n, v in found.items()},
    "findings": findings,
  }


def _label(metric: str) -> str:
  """gFID, gFD-VGG (not FID), ..."""
  note = METRICS[metric].note
  return f"g{METRICS[metric].title}" + (f" ({note})" if note else "")


def _gap(parts: Sequence[dict[str, Any]], name: str) -> float:
  """How much farther the set `name` is than the samples."""
  return _distance(parts, name) - _distance(parts, "sampled")


def _distance(parts: Sequence[dict[str, Any]], name: str) -> float:
  real, other = (
    frechet.merge([part[side] for part in parts]) for side in (REAL, name)
  )
  return frechet.distance(real, other)
