"""Pose scores of one clip after the other, kept between runs."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation.measures import REAL, SAMPLED
from scenetok_jax.evaluation.pose import structure, true_pose
from scenetok_jax.evaluation.pose.clips import ClipSource, JudgedClip
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.evaluation.scores import Functions, SceneResult, features
from scenetok_jax.evaluation.store import ResultStore
from scenetok_jax.geometry.camera_files import estimates_from_json
from scenetok_jax.inference import pictures
from scenetok_jax.media import contact_sheet
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.pose import PairErrors
from scenetok_jax.types import InputError

Poses = dict[str, np.ndarray]  # by scene, [T 4 4]
Tell = Callable[[str], None]


def given_poses(path: str, keys: Sequence[str]) -> Poses:
  """Poses by another estimator: one file, or KEY.json of each scene.

  Raises:
    InputError: a file that is not there or holds no poses.
  """
  several = Path(path).is_dir()
  return {
    key: estimates_from_json(Path(path) / f"{key}.json" if several else path)
    for key in keys
  }


def all_results(
  sources: Sequence[ClipSource],
  options: PoseScoreOptions,
  poses: Poses | None,
  functions: Functions,
  store: ResultStore | None,
  tell: Tell,
) -> list[SceneResult]:
  """One result per scene; those in the store are not computed again.

  poses: by another estimator. functions: of distances between sets. tell: is
  given a line about each.
  """
  results = []
  with console.Progress("poses", len(sources), "scene") as progress:
    for source in sources:
      result = store.read(source.key) if store else None
      if result is None:
        clip = source.load()
        result = _result(source, clip, options, poses, functions)
        if store:
          shown = clip.images[pictures.columns(len(clip.images))]
          title = f"{source.source} along {source.key}"
          store.write(result, contact_sheet([(title, shown)]))
      tell(line(source.key, {"frames": result.frames, **result.scores}))
      results.append(result)
      progress.update()
  return results


def _result(
  source: ClipSource,
  clip: JudgedClip,
  options: PoseScoreOptions,
  poses: Poses | None,
  functions: Functions,
) -> SceneResult:
  """Compares the poses of a clip's frames with those asked for."""
  start, count = time.monotonic(), len(clip.images)
  if poses is None:
    predicted = structure.estimate_poses(
      clip.images,
      np.asarray(clip.cameras.intrinsics),
      seed=options.seed,
      threads=options.threads,
    )
  else:
    predicted = poses[source.key]
    if len(predicted) != count:
      raise InputError(
        f"{options.poses}: scene {source.key}: {len(predicted)} poses for"
        f" {count} frames (every {options.every}); give one of each"
      )
  truth = np.asarray(clip.cameras.extrinsics)
  errors = true_pose.path_errors(predicted, truth)
  chance = true_pose.shuffled_auc(predicted, truth, options.seed)
  sets = {} if clip.real is None else {REAL: clip.real, SAMPLED: clip.images}
  return SceneResult(
    key=source.key,
    scores={
      "placed": int(np.isfinite(predicted).all(axis=(1, 2)).sum()),
      **pose.summary(errors),
      "shuffled_auc@30": chance,
    },
    frames=count,
    seconds=time.monotonic() - start,
    features={
      "pairs/rotation": errors.rotation,
      "pairs/translation": errors.translation,
      **features(sets, functions),
    },
  )


def pair_errors(result: SceneResult) -> PairErrors:
  """Those of a result, of all its frame pairs."""
  kept = result.features
  return PairErrors(kept["pairs/rotation"], kept["pairs/translation"])


def line(name: str, found: dict[str, Any]) -> str:
  """Scores of one scene or of all, for the screen."""
  return (
    f"{name[:24]:<24} {found['placed']:>4} of {found['frames']} frames placed"
    f"   R.Acc@10 {found['racc@10']:.3f}   T.Acc@10 {found['tacc@10']:.3f}"
    f"   AUC@30 {found['auc@30']:.3f} (shuffled"
    f" {found['shuffled_auc@30']:.3f})"
  )
