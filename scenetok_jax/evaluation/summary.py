"""Scores of all scenes together, with confidence intervals."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from scenetok_jax.evaluation.bootstrap import (
  CONFIDENCE,
  Interval,
  mean_interval,
  pooled_interval,
)
from scenetok_jax.evaluation.measures import (
  REAL,
  RECONSTRUCTED,
  SAMPLED,
  set_key,
)
from scenetok_jax.evaluation.scores import SceneResult, average
from scenetok_jax.metrics import frechet
from scenetok_jax.metrics.frechet import Statistics
from scenetok_jax.metrics.i3d import CLIP
from scenetok_jax.metrics.registry import METRICS


@dataclasses.dataclass(frozen=True)
class Resampling:
  """scenes: resamples of means. sets: of distances between sets (slow)."""

  scenes: int = 1000
  sets: int = 20
  seed: int = 0


def summarize(
  results: Sequence[SceneResult],
  resampling: Resampling,
  prefix: str = RECONSTRUCTED,
  metrics: Iterable[str] = (),
) -> dict[str, Any]:
  """Means, distances between sets, and the intervals of both.

  results: of scenes, each once; their order does not matter. prefix:
  RECONSTRUCTED for renderings of encoded scenes, or GENERATED. metrics: names
  of those that were asked for and could be computed.
  """
  results = sorted(results, key=lambda result: result.key)
  means = average([result.scores for result in results])
  intervals: dict[str, Interval] = {}
  for name in sorted({name for r in results for name in r.scores}):
    scores = {r.key: r.scores[name] for r in results if name in r.scores}
    intervals[name] = mean_interval(
      scores, resamples=resampling.scenes, seed=resampling.seed
    )
  sets, impossible = distances(results, resampling, prefix)
  intervals |= sets
  known = {name for result in results for name in result.features}
  for name in metrics:
    if METRICS[name].is_set and f"{name}/{SAMPLED}" not in known:
      impossible[set_key(name, SAMPLED, prefix)] = (
        f"no scene has the {CLIP} frames of a clip; score longer scenes"
      )
  return {
    **means,
    **{name: interval.value for name, interval in sets.items()},
    "impossible_metrics": impossible,
    "frames": sum(result.frames for result in results),
    "confidence": CONFIDENCE,
    "confidence_intervals": {
      name: [interval.low, interval.high]
      for name, interval in sorted(intervals.items())
    },
  }


def times(results: Sequence[SceneResult]) -> dict[str, float]:
  """Seconds per scene, and what generating took of them."""
  count = len(results)
  total = sum(r.seconds for r in results) / count
  found = {"seconds_per_scene": total}
  generation = sum(r.generation_seconds for r in results) / count
  if generation:
    found["generation_seconds_per_scene"] = generation
    found["rendering_seconds_per_scene"] = total - generation
  return found


def distances(
  results: Sequence[SceneResult], resampling: Resampling, prefix: str
) -> tuple[dict[str, Interval], dict[str, str]]:
  """Frechet distances of every set of images from the true ones.

  Also why those that have too few samples for a spread do not exist.
  """
  found, impossible = {}, {}
  for name in sorted({name for r in results for name in r.features}):
    metric, who = name.split("/")
    if who == REAL or metric not in METRICS:
      continue
    parts = {
      result.key: (
        frechet.statistics(result.features[f"{metric}/{REAL}"]),
        frechet.statistics(result.features[name]),
      )
      for result in results
      if name in result.features
    }
    key = set_key(metric, who, prefix)
    if min(sum(p[i].count for p in parts.values()) for i in (0, 1)) < 2:
      impossible[key] = "fewer than two samples; score more or longer scenes"
      continue
    found[key] = pooled_interval(
      parts, _distance, resamples=resampling.sets, seed=resampling.seed
    )
  return found, impossible


def _distance(parts: Sequence[tuple[Statistics, Statistics]]) -> float:
  real, found = (frechet.merge(side) for side in zip(*parts, strict=True))
  return frechet.distance(real, found)
