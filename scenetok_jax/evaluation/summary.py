"""Scores of all scenes together, with confidence intervals."""

from collections.abc import Iterable, Sequence
from typing import Any

from scenetok_jax.evaluation import bootstrap
from scenetok_jax.evaluation.bootstrap import Interval
from scenetok_jax.evaluation.measures import REAL, SAMPLED, set_key
from scenetok_jax.evaluation.scores import SceneResult, average
from scenetok_jax.metrics import frechet
from scenetok_jax.metrics.frechet import Statistics
from scenetok_jax.metrics.i3d import CLIP
from scenetok_jax.metrics.registry import METRICS


def summarize(
  results: Sequence[SceneResult],
  prefix: str,
  metrics: Iterable[str] = (),
  *,
  resamples: int,
  set_resamples: int,
) -> dict[str, Any]:
  """Means, distances between sets, the intervals of both, and times.

  results: of scenes, each once, in any order. prefix: measures.RECONSTRUCTED or
  GENERATED. metrics: names of those that were asked for and could be computed.
  resamples: for the intervals of means. set_resamples: of distances between
  sets (slow).
  """
  results = sorted(results, key=lambda result: result.key)
  intervals: dict[str, Interval] = {}
  for name in sorted({name for r in results for name in r.scores}):
    scores = {r.key: r.scores[name] for r in results if name in r.scores}
    intervals[name] = bootstrap.mean_interval(scores, resamples=resamples)
  sets, impossible = distances(results, prefix, set_resamples)
  intervals |= sets
  known = {name for result in results for name in result.features}
  for name in metrics:
    if METRICS[name].is_set and f"{name}/{SAMPLED}" not in known:
      impossible[set_key(name, SAMPLED, prefix)] = (
        f"no scene has the {CLIP} frames of a clip; score longer scenes"
      )
  return {
    **average([result.scores for result in results]),
    **{name: interval.value for name, interval in sets.items()},
    "impossible_metrics": impossible,
    "frames": sum(result.frames for result in results),
    "confidence": bootstrap.CONFIDENCE,
    "confidence_intervals": {
      name: [interval.low, interval.high]
      for name, interval in sorted(intervals.items())
    },
    **_times(results),
  }


def _times(results: Sequence[SceneResult]) -> dict[str, float]:
  """Of all scenes; of one, and what generating took of it."""
  total = sum(r.seconds for r in results) / len(results)
  found = {
    "seconds": sum(result.total_seconds for result in results),
    "seconds_per_scene": total,
  }
  generation = sum(r.generation_seconds for r in results) / len(results)
  if generation:
    found["generation_seconds_per_scene"] = generation
    found["rendering_seconds_per_scene"] = total - generation
  return found


def distances(
  results: Sequence[SceneResult], prefix: str, resamples: int
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
    found[key] = bootstrap.pooled_interval(
      parts, _distance, resamples=resamples
    )
  return found, impossible


def _distance(parts: Sequence[tuple[Statistics, Statistics]]) -> float:
  real, found = (frechet.merge(side) for side in zip(*parts, strict=True))
  return frechet.distance(real, found)
