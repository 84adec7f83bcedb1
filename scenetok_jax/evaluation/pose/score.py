"""True pose similarity: are frames seen from the poses that were asked for?

Poses of frames are estimated by an oracle, pycolmap or any other whose poses
are given as files, and compared over all frame pairs with the true ones.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scenetok_jax.evaluation import summary
from scenetok_jax.evaluation.bootstrap import pooled_interval
from scenetok_jax.evaluation.pose import clip_scores, structure
from scenetok_jax.evaluation.pose.clips import (
  ClipSource,
  given_clips,
  rendered_clips,
)
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import open_store
from scenetok_jax.inference import placement
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.loading import LoadedMetrics, load_metrics
from scenetok_jax.metrics.registry import METRICS

Tell = Callable[[str], None]


def pose_score(
  options: PoseScoreOptions,
  scenetok: SceneTok | None = None,
  tell: Tell = print,
) -> dict[str, Any]:
  """Scores of the data's own frames (a check of the oracle), or of others.

  Args:
    options: with `images`, frames in a folder are judged.
    scenetok: renderings by it are judged: along each scene's own path, or
      with options.transfer along the path of the next scene (paper: TPS).
    tell: is given a line about each scene and one about all.

  Returns:
    JSON values: R.Acc, T.Acc and AUC of all pairs and per_scene, and the
    distance between the sets of images.

  Raises:
    InputError: options that do not go together, no such data, or an oracle
      that is not installed.
  """
  options.check(rendered=scenetok is not None)
  made_by = clip_scores.checkpoint(scenetok)
  with _placed(scenetok) as placed:
    sources = _sources(placed, options)
    poses = None
    if options.poses:
      keys = [source.key for source in sources]
      poses = clip_scores.given_poses(options.poses, keys)
    loaded = None
    if placed or options.images:  # elsewhere frames are the truth itself
      loaded = load_metrics(
        [options.distance], options.metric_weights, allow_missing=True
      )
    known = clip_scores.identity(
      placed, made_by, sources, poses, loaded, options
    )
    results = clip_scores.all_results(
      sources,
      clip_scores.scorer(options, poses, loaded),
      open_store(options.out, known) if options.out else None,
      tell,
    )
  return {
    "arguments": dataclasses.asdict(options),
    "oracle": options.poses or structure.ORACLE,
    "judged": _judged(options, rendered=scenetok is not None),
    **made_by,
    **_report(sources, results, loaded, tell),
  }


def render_clips(scenetok: SceneTok, options: PoseScoreOptions) -> int:
  """Leaves the frames of every scene in OUT/KEY/*.png; returns how many.

  Raises:
    InputError: as pose_score.
  """
  options.check(rendered=True, estimated=False)
  with _placed(scenetok) as placed:
    sources = _sources(placed, options)
    for source in sources:
      source.load()
  return len(sources)


@contextlib.contextmanager
def _placed(scenetok: SceneTok | None) -> Any:
  """The model on its devices, if there is one."""
  if scenetok is None:
    yield None
    return
  with placement.on_devices(scenetok, 1) as placed:
    yield placed


def _sources(
  scenetok: SceneTok | None, options: PoseScoreOptions
) -> list[ClipSource]:
  if scenetok is None:
    return given_clips(options)
  return rendered_clips(scenetok, options)


def _judged(options: PoseScoreOptions, rendered: bool) -> str:
  if options.images:
    return f"frames of {options.images}"
  if not rendered:
    return "the data's own frames"
  return "another scene along this path" if options.transfer else "renderings"


def _report(
  sources: Sequence[ClipSource],
  results: Sequence[SceneResult],
  loaded: LoadedMetrics | None,
  tell: Tell,
) -> dict[str, Any]:
  """Scores of all pairs together, of each scene, and the sets' distance."""
  rows = {
    source.key: clip_scores.row(source, result)
    for source, result in zip(sources, results, strict=True)
  }
  errors = {r.key: clip_scores.pair_errors(r) for r in results}
  chance = np.mean([row["shuffled_auc@30"] for row in rows.values()])
  pooled = {
    **pose.summary(pose.pool(errors.values())),
    "shuffled_auc@30": float(chance),
  }
  totals = {
    name: sum(row[name] for row in rows.values())
    for name in ("frames", "placed")
  }
  tell(clip_scores.line("all pairs", {**pooled, **totals}))
  interval = pooled_interval(
    errors, lambda parts: pose.auc(pose.pool(parts)), resamples=200
  )
  found = {} if loaded is None else _distance(results, loaded, tell)
  return {
    **pooled,
    **found,
    "confidence_intervals": {
      "auc@30": [interval.low, interval.high],
      **found.get("confidence_intervals", {}),
    },
    "per_scene": rows,
  }


def _distance(
  results: Sequence[SceneResult], loaded: LoadedMetrics, tell: Tell
) -> dict[str, Any]:
  """The distance between sets that belongs beside a pose score."""
  own = [
    dataclasses.replace(result, features=clip_scores.image_features(result))
    for result in results
  ]
  found, impossible = summary.distances(own, summary.Resampling(), "")
  for name, value in found.items():
    metric = METRICS[name]
    note = f" ({metric.title}, {metric.note})" if metric.note else ""
    tell(
      f"{name} to the scenes' true frames: {value.value:.3f}{note}"
      f" (95 %: {value.low:.3f} to {value.high:.3f})"
    )
  for reason in (*loaded.missing.values(), *impossible.values()):
    tell(f"not computed: {reason}")
  return {
    **{name: value.value for name, value in found.items()},
    "confidence_intervals": {n: [v.low, v.high] for n, v in found.items()},
    "distance_weights": loaded.weights,
    "missing_metrics": loaded.missing,
    "impossible_metrics": impossible,
  }
