"""TPS: do frames show the scene from the poses that were asked for?

The poses of frames are estimated by an oracle and compared with those asked
for, over all frame pairs (metrics.pose), one clip after the other; what is
done is kept between runs. Copying the source's pixels cheats it, hence a
distance between sets of images belongs beside it.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation.measures import REAL, SAMPLED
from scenetok_jax.evaluation.pose import structure
from scenetok_jax.evaluation.pose.clips import ClipSource, JudgedClip
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.evaluation.scores import Functions, SceneResult, features
from scenetok_jax.evaluation.store import ResultStore
from scenetok_jax.geometry.camera_files import estimates_from_json
from scenetok_jax.inference.pictures import columns
from scenetok_jax.media import contact_sheet
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.pose import PairErrors
from scenetok_jax.types import InputError

Poses = dict[str, np.ndarray]  # by scene, [T 4 4]
Tell = Callable[[str], None]
# What a pair with a frame that could not be placed counts as, degrees.
MISSED = (180.0, 90.0)


def given_poses(path: str, keys: Sequence[str]) -> Poses:
  """Poses of one file, or of KEY.json of each scene; InputError without."""
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
          shown = clip.images[columns(len(clip.images))]
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
    lenses = np.asarray(clip.cameras.intrinsics)
    predicted = structure.estimate_poses(
      clip.images, lenses, seed=options.seed, threads=options.threads
    )
  else:
    predicted = poses[source.key]
    if len(predicted) != count:
      raise InputError(
        f"{options.poses}: scene {source.key}: {len(predicted)} poses for"
        f" {count} frames (every {options.every}); give one of each"
      )
  truth = np.asarray(clip.cameras.extrinsics)
  errors = path_errors(predicted, truth)
  chance = shuffled_auc(predicted, truth, options.seed)
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


def path_errors(predicted: np.ndarray, truth: np.ndarray) -> PairErrors:
  """Poses [T 4 4] twice -> errors of all T (T - 1) / 2 pairs.

  Pairs with a frame whose predicted pose is not finite are misses, so that
  an estimator does not gain from leaving frames out.
  Raises InputError: shapes differ, or fewer than two frames.
  """
  predicted, truth = (np.asarray(p, np.float64) for p in (predicted, truth))
  if predicted.shape != truth.shape or len(truth) < 2:
    raise InputError(
      f"poses: {list(predicted.shape)} predicted and {list(truth.shape)} true"
      " ones; give one of each for at least 2 frames"
    )
  placed = np.asarray(np.isfinite(predicted).all(axis=(1, 2)))
  first, second = np.triu_indices(len(truth), k=1)
  known = placed[first] & placed[second]
  rotation = np.full(len(first), MISSED[0])
  translation = np.full(len(first), MISSED[1])
  if known.any():
    found = pose.pair_errors(predicted[placed], truth[placed])
    rotation[known], translation[known] = found.rotation, found.translation
  return PairErrors(rotation, translation)


def shuffled_auc(
  predicted: np.ndarray, truth: np.ndarray, seed: int, repeats: int = 20
) -> float:
  """Mean AUC@30 with frames in a random order: what chance gives.

  It is above zero, and high for a straight path, whose frame pairs all move
  along one line.
  """
  rng = np.random.default_rng(seed)
  orders = [rng.permutation(len(truth)) for _ in range(repeats)]
  found = [pose.auc(path_errors(predicted[order], truth)) for order in orders]
  return float(np.mean(found))


def line(name: str, found: dict[str, Any]) -> str:
  """Scores of one scene or of all, for the screen."""
  return (
    f"{name[:24]:<24} {found['placed']:>4} of {found['frames']} frames placed"
    f"   R.Acc@10 {found['racc@10']:.3f}   T.Acc@10 {found['tacc@10']:.3f}"
    f"   AUC@30 {found['auc@30']:.3f} (shuffled"
    f" {found['shuffled_auc@30']:.3f})"
  )
