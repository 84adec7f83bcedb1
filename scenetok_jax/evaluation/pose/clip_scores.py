"""Pose scores of one clip after the other, kept between runs."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation import scores
from scenetok_jax.evaluation.measures import REAL, SAMPLED
from scenetok_jax.evaluation.pose import structure, true_pose
from scenetok_jax.evaluation.pose.clips import ClipSource, JudgedClip
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import ResultStore
from scenetok_jax.geometry.camera_files import estimates_from_json
from scenetok_jax.inference import changes, pictures
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
  sources: Sequence[ClipSource],
  poses: Poses | None,
  loaded: LoadedMetrics | None,
  options: PoseScoreOptions,
) -> dict[str, Any]:
  """All that a scene's result depends on, as JSON values."""
  described: dict[str, Any] = {}
  if scenetok is not None:
    codecs = (scenetok.model.context_codec, scenetok.model.target_codec)
    described = {
      **made_by,
      "codecs": [codec_digest(codec) for codec in codecs],
      "rendering": repr(changes.render_options(scenetok, options)),
      "deterministic": scenetok.config.sampling.deterministic,
    }
  weights = {} if loaded is None else loaded.weights
  return {
    "format": "pose-score 2",
    **described,
    "scenes": [[source.key, source.identity] for source in sources],
    "oracle": structure.ORACLE if poses is None else digest(poses),
    "every": options.every,
    "seed": options.seed,
    "metrics": {name: net["sha256"] for name, net in weights.items()},
  }


def all_results(
  sources: Sequence[ClipSource],
  compute: Callable[[ClipSource, JudgedClip], SceneResult],
  store: ResultStore | None,
  tell: Callable[[str], None],
) -> list[SceneResult]:
  """One result per scene; those in the store are not computed again.

  tell: is given a line about each.
  """
  results = []
  with console.Progress("poses", len(sources), "scene") as progress:
    for source in sources:
      result = store.read(source.key) if store else None
      if result is None:
        clip = source.load()
        result = compute(source, clip)
        if store:
          store.write(result, _sheet(source, clip))
      tell(line(source.key, row(source, result)))
      results.append(result)
      progress.update()
  return results


def scorer(
  options: PoseScoreOptions, poses: Poses | None, loaded: LoadedMetrics | None
) -> Callable[[ClipSource, JudgedClip], SceneResult]:
  """Compares the poses of a clip's frames with those asked for."""

  def compute(source: ClipSource, clip: JudgedClip) -> SceneResult:
    start = time.monotonic()
    predicted = _estimate(source, clip, options, poses)
    truth = np.asarray(clip.cameras.extrinsics)
    found = true_pose.path_errors(predicted, truth)
    sets = {} if clip.real is None else {REAL: clip.real, SAMPLED: clip.images}
    count = len(clip.images)
    return SceneResult(
      key=source.key,
      scores={
        "placed": int(np.isfinite(predicted).all(axis=(1, 2)).sum()),
        **pose.summary(found),
        "shuffled_auc@30": true_pose.shuffled_auc(
          predicted, truth, options.seed
        ),
      },
      frames=count,
      novel_frames=count,
      seconds=time.monotonic() - start,
      features={
        f"{_ERRORS}rotation": found.rotation,
        f"{_ERRORS}translation": found.translation,
        **(scores.features(sets, loaded.functions) if loaded else {}),
      },
    )

  return compute


def _estimate(
  source: ClipSource,
  clip: JudgedClip,
  options: PoseScoreOptions,
  poses: Poses | None,
) -> np.ndarray:
  """Estimated poses [T 4 4]; NaN where the oracle gave none."""
  if poses is None:
    return structure.estimate_poses(
      clip.images,
      np.asarray(clip.cameras.intrinsics),
      seed=options.seed,
      threads=options.threads,
    )
  found = poses[source.key]
  if len(found) != len(clip.images):
    raise InputError(
      f"{options.poses}: scene {source.key}: {len(found)} poses for"
      f" {len(clip.images)} frames (every {options.every}); give one of each"
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


def row(source: ClipSource, result: SceneResult) -> dict[str, Any]:
  """A scene's scores as they are reported."""
  return {"source": source.source, "frames": result.frames, **result.scores}


def line(name: str, found: dict[str, Any]) -> str:
  """Scores of one scene or of all, for the screen."""
  return (
    f"{name[:24]:<24} {found['placed']:>4} of {found['frames']} frames placed"
    f"   R.Acc@10 {found['racc@10']:.3f}   T.Acc@10 {found['tacc@10']:.3f}"
    f"   AUC@30 {found['auc@30']:.3f} (shuffled"
    f" {found['shuffled_auc@30']:.3f})"
  )


def _sheet(source: ClipSource, clip: JudgedClip) -> np.ndarray:
  shown = clip.images[pictures.columns(len(clip.images))]
  return contact_sheet([(f"{source.source} along {source.key}", shown)])
