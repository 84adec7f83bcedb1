"""Scores of all scenes together, with confidence intervals."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from scenetok_jax.evaluation.bootstrap import (
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

  Args:
    results: of scenes, each once; their order does not matter.
    resampling: of the intervals.
    prefix: RECONSTRUCTED for renderings of encoded scenes, or GENERATED.
    metrics: names of those that need weights and were computed.
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
  impossible |= _without_features(results, prefix, metrics)
  intervals |= sets
  for name, interval in intervals.items():
    means.setdefault(name, interval.value)
  return {
    **means,
    "impossible_metrics": impossible,
    "frames": sum(result.frames for result in results),
    "confidence": 0.95,
    "confidence_intervals": {
      name: [interval.low, interval.high]
      for name, interval in sorted(intervals.items())
    },
  }


def times(results: Sequence[SceneResult]) -> dict[str, float]:
  """Seconds per scene, and what generating took of them."""
  count = len(results)
  found = {"seconds_per_scene": sum(r.seconds for r in results) / count}
  generation = sum(r.generation_seconds for r in results) / count
  if generation:
    found["generation_seconds_per_scene"] = generation
    found["rendering_seconds_per_scene"] = (
      found["seconds_per_scene"] - generation
    )
  return found


def distances(
  results: Sequence[SceneResult], resampling: Resampling, prefix: str
) -> tuple[dict[str, Interval], dict[str, str]]:
  """Frechet distances of every set of images from the true ones.

  Also why those that have too few samples for a spread do not exist.
  """
  names = {name for result in results for name in result.features}
  found, impossible = {}, {}
  for name in sorted(names):
    metric, who = name.split("/")
    if who == REAL:
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


def _without_features(
  results: Sequence[SceneResult], prefix: str, metrics: Iterable[str]
) -> dict[str, str]:
  """Why a set of images has no features: clips may be longer than scenes."""
  found = {name for result in results for name in result.features}
  reason = f"no scene has the {CLIP} frames of a clip; score longer scenes"
  return {
    set_key(name, SAMPLED, prefix): reason
    for name in metrics
    if METRICS[name].is_set and f"{name}/{SAMPLED}" not in found
  }


def _distance(parts: Sequence[tuple[Statistics, Statistics]]) -> float:
  real, found = (frechet.merge(side) for side in zip(*parts, strict=True))
  return frechet.distance(real, found)
