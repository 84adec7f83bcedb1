"""What pose-score computes for each scene, and keeps between runs."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation import scores
from scenetok_jax.evaluation.measures import REAL, SAMPLED
from scenetok_jax.evaluation.pose import structure, true_pose
from scenetok_jax.evaluation.pose.clips import Clip, Job
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import Store
from scenetok_jax.geometry.camera_files import estimates_from_json
from scenetok_jax.inference import pictures, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import contact_sheet
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.metrics.pose import PairErrors
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.scene_file import codec_digest
from scenetok_jax.types import InputError

Poses = dict[str, np.ndarray]  # by scene, [T 4 4]
_ERRORS = "pairs/"  # features of a result: they are no network's


def given_poses(path: str, keys: Sequence[str]) -> Poses:
  """Poses by another estimator: one file, or KEY.json of each scene.

  Raises:
    InputError: a file that is not there or holds no poses.
  """
  if not Path(path).is_dir():
    return {key: estimates_from_json(path) for key in keys}
  return {key: estimates_from_json(Path(path) / f"{key}.json") for key in keys}


def checkpoint(scenetok: SceneTok | None) -> dict[str, Any]:
  """Of the renderings; None where frames are the data's or a folder's."""
  return {
    "checkpoint_sha256": None if scenetok is None else digest(scenetok.params),
    "checkpoint_step": None if scenetok is None else scenetok.step,
  }


def identity(
  scenetok: SceneTok | None,
  made_by: dict[str, Any],
  jobs: Sequence[Job],
  poses: Poses | None,
  nets: LoadedMetrics | None,
  args: argparse.Namespace,
) -> dict[str, Any]:
  """All that a scene's result depends on, as JSON values."""
  described: dict[str, Any] = {}
  if scenetok is not None:
    codecs = (scenetok.model.context_codec, scenetok.model.target_codec)
    changes = console.take_options(args, rendering.SamplingChanges)
    described = {
      **made_by,
      "codecs": [codec_digest(codec) for codec in codecs],
      "rendering": repr(rendering.render_options(scenetok, changes)),
      "deterministic": scenetok.config.sampling.deterministic,
    }
  weights = {} if nets is None else nets.weights
  return {
    "format": "pose-score 2",
    **described,
    "scenes": [[job.key, job.identity] for job in jobs],
    "oracle": structure.ORACLE if poses is None else digest(poses),
    "every": args.every,
    "seed": args.seed,
    "metrics": {name: net["sha256"] for name, net in weights.items()},
  }


def all_results(
  jobs: Sequence[Job],
  compute: Callable[[Job, Clip], SceneResult],
  kept: Store | None,
) -> list[SceneResult]:
  """One result per scene; those in the store are not computed again."""
  results = []
  with console.Progress("poses", len(jobs), "scene") as progress:
    for job in jobs:
      result = kept.read(job.key) if kept else None
      if result is None:
        clip = job.load()
        result = compute(job, clip)
        if kept:
          kept.write(result, _sheet(job, clip))
      print(line(job.key, row(job, result)), flush=True)
      results.append(result)
      progress.update()
  return results


def scorer(
  args: argparse.Namespace, poses: Poses | None, nets: LoadedMetrics | None
) -> Callable[[Job, Clip], SceneResult]:
  """Compares the poses of a clip's frames with those asked for."""

  def compute(job: Job, clip: Clip) -> SceneResult:
    start = time.monotonic()
    predicted = _estimate(job, clip, args, poses)
    truth = np.asarray(clip.cameras.extrinsics)
    found = true_pose.path_errors(predicted, truth)
    sets = {} if clip.real is None else {REAL: clip.real, SAMPLED: clip.images}
    count = len(clip.images)
    return SceneResult(
      key=job.key,
      scores={
        "placed": int(np.isfinite(predicted).all(axis=(1, 2)).sum()),
        **pose.summary(found),
        "shuffled_auc@30": true_pose.shuffled_auc(predicted, truth, args.seed),
      },
      frames=count,
      novel_frames=count,
      seconds=time.monotonic() - start,
      features={
        f"{_ERRORS}rotation": found.rotation,
        f"{_ERRORS}translation": found.translation,
        **(scores.features(sets, nets.functions) if nets else {}),
      },
    )

  return compute


def _estimate(
  job: Job, clip: Clip, args: argparse.Namespace, poses: Poses | None
) -> np.ndarray:
  """Estimated poses [T 4 4]; NaN where the oracle gave none."""
  if poses is None:
    return structure.estimate_poses(
      clip.images,
      np.asarray(clip.cameras.intrinsics),
      seed=args.seed,
      threads=args.threads,
    )
  found = poses[job.key]
  if len(found) != len(clip.images):
    raise InputError(
      f"{args.poses}: scene {job.key}: {len(found)} poses for"
      f" {len(clip.images)} frames (every {args.every}); give one of each"
    )
  return found


def pair_errors(result: SceneResult) -> PairErrors:
  """Those of a result, of all its frame pairs."""
  return PairErrors(
    result.features[f"{_ERRORS}rotation"],
    result.features[f"{_ERRORS}translation"],
  )


def image_features(result: SceneResult) -> dict[str, np.ndarray]:
  """Those of networks alone, as distances between sets take them."""
  return {
    name: values
    for name, values in result.features.items()
    if not name.startswith(_ERRORS)
  }


def row(job: Job, result: SceneResult) -> dict[str, Any]:
  """A scene's scores as they are reported."""
  return {"source": job.source, "frames": result.frames, **result.scores}


def line(name: str, found: dict[str, Any]) -> str:
  """Scores of one scene or of all, for the screen."""
  return (
    f"{name[:24]:<24} {found['placed']:>4} of {found['frames']} frames placed"
    f"   R.Acc@10 {found['racc@10']:.3f}   T.Acc@10 {found['tacc@10']:.3f}"
    f"   AUC@30 {found['auc@30']:.3f} (shuffled"
    f" {found['shuffled_auc@30']:.3f})"
  )


def _sheet(job: Job, clip: Clip) -> np.ndarray:
  shown = clip.images[pictures.columns(len(clip.images))]
  return contact_sheet([(f"{job.source} along {job.key}", shown)])
