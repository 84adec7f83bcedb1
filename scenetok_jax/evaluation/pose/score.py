"""True pose similarity of clips: what is judged, and the report of it."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from scenetok_jax.evaluation.bootstrap import pooled_interval
from scenetok_jax.evaluation.pose import clip_scores, clips, structure
from scenetok_jax.evaluation.pose.clip_scores import Poses, Tell
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import open_store
from scenetok_jax.evaluation.summary import distances
from scenetok_jax.inference import changes
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.loading import LoadedMetrics, load_metrics
from scenetok_jax.metrics.pose import PairErrors
from scenetok_jax.metrics.registry import METRICS
from scenetok_jax.outputs import Output, opened
from scenetok_jax.reading.shown import say
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.scene_file import codec_digest

RESULT_FILE = "pose_score.json"


def pose_score(
  options: PoseScoreOptions, scenetok: SceneTok | None = None, tell: Tell = say
) -> dict[str, Any]:
  """Scores of the data's own frames (a check of the oracle), or of others.

  With options.images frames in a folder are judged; with scenetok its
  renderings along each scene's own path, or with options.transfer along the
  path of the next scene (paper: TPS). tell: is given a line about each scene.

  Returns JSON values: R.Acc, T.Acc and AUC of all pairs and per_scene, and the
  distance between the sets of images.
  Raises InputError: options that do not go together, no such data, or an oracle
  that is not installed.
  """
  options.check(rendered=scenetok is not None)
  with contextlib.ExitStack() as stack:
    out = stack.enter_context(_opened(options)) if options.out else None
    return _pose_score(options, scenetok, tell, out)


def _opened(
  options: PoseScoreOptions,
) -> contextlib.AbstractContextManager[Output]:
  """The folder of the results, which this run alone writes."""
  return opened(options.out or "", (RESULT_FILE,), {"--data": options.data})


def _pose_score(
  options: PoseScoreOptions,
  scenetok: SceneTok | None,
  tell: Tell,
  out: Output | None,
) -> dict[str, Any]:
  # The data's own frames are the truth itself: no distance.
  metrics = [options.distance] if scenetok or options.images else []
  loaded = load_metrics(metrics, options.metric_weights, allow_missing=True)
  devices = scenetok.placed(1) if scenetok else contextlib.nullcontext()
  with devices as placed:
    sources = clips.all_clips(placed, options, out)
    poses = None
    if options.poses:
      keys = [source.key for source in sources]
      poses = clip_scores.given_poses(options.poses, keys)
    known = _identity(sources, poses, loaded, options, scenetok)
    store = open_store(options.out, known) if options.out else None
    results = clip_scores.all_results(
      sources, options, poses, loaded.functions, store, tell
    )
  judged = "the data's own frames"
  if options.images:
    judged = f"frames of {options.images}"
  elif options.transfer:
    judged = "another scene along this path"
  elif scenetok:
    judged = "renderings"
  return {
    "arguments": dataclasses.asdict(options),
    "oracle": options.poses or structure.ORACLE,
    "judged": judged,
    "checkpoint_sha256": known["checkpoint_sha256"],
    "checkpoint_step": known["checkpoint_step"],
    **_report(sources, results, loaded, tell),
  }


def render_clips(scenetok: SceneTok, options: PoseScoreOptions) -> int:
  """Leaves the frames of every scene in OUT/KEY/*.png; returns how many.

  Raises InputError: as pose_score.
  """
  options.check(rendered=True, estimated=False)
  with _opened(options) as out, scenetok.placed(1) as placed:
    sources = clips.rendered_clips(placed, options, out)
    for source in sources:
      source.load()
  return len(sources)


def _identity(
  sources: Sequence[clips.ClipSource],
  poses: Poses | None,
  loaded: LoadedMetrics,
  options: PoseScoreOptions,
  scenetok: SceneTok | None,
) -> dict[str, Any]:
  """All that a result depends on, as JSON values."""
  found: dict[str, Any] = {
    "format": "pose-score 3",
    "checkpoint_sha256": None,
    "checkpoint_step": None,
    "scenes": [[source.key, source.identity] for source in sources],
    "oracle": structure.ORACLE if poses is None else digest(poses),
    "every": options.every,
    "seed": options.seed,
    "metrics": {name: net["sha256"] for name, net in loaded.weights.items()},
  }
  if scenetok is not None:
    codecs = (scenetok.model.context_codec, scenetok.model.target_codec)
    found |= {
      "checkpoint_sha256": digest(scenetok.params),
      "checkpoint_step": scenetok.step,
      "codecs": [codec_digest(codec) for codec in codecs],
      "rendering": repr(changes.render_options(scenetok, options)),
      "deterministic": scenetok.config.sampling.deterministic,
    }
  return found


def _report(
  sources: Sequence[clips.ClipSource],
  results: Sequence[SceneResult],
  loaded: LoadedMetrics,
  tell: Tell,
) -> dict[str, Any]:
  """Scores of all pairs together, of each scene, and the sets' distance."""
  rows: dict[str, dict[str, Any]] = {
    source.key: {
      "source": source.source,
      "frames": result.frames,
      **result.scores,
    }
    for source, result in zip(sources, results, strict=True)
  }
  errors = {
    r.key: PairErrors(
      r.features["pairs/rotation"], r.features["pairs/translation"]
    )
    for r in results
  }
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
  auc = pooled_interval(
    errors, lambda parts: pose.auc(pose.pool(parts)), resamples=200
  )
  sets, impossible = distances(results, "", 20)
  for name, value in sets.items():
    metric = METRICS[name]
    note = f" ({metric.title}, {metric.note})" if metric.note else ""
    tell(
      f"{name} to the scenes' true frames: {value.value:.3f}{note}"
      f" (95 %: {value.low:.3f} to {value.high:.3f})"
    )
  for reason in (*loaded.missing.values(), *impossible.values()):
    tell(f"not computed: {reason}")
  return {
    **pooled,
    **{name: value.value for name, value in sets.items()},
    "distance_weights": loaded.weights,
    "missing_metrics": loaded.missing,
    "impossible_metrics": impossible,
    "confidence_intervals": {
      name: [value.low, value.high]
      for name, value in {"auc@30": auc, **sets}.items()
    },
    "per_scene": rows,
  }
