"""What an evaluation scores: scenes of prepared data, with frames by rule."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.storage.records import Dataset, SceneRow
from data_pipelines.views import evaluation as evaluation_views
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.evaluation.batches import EvaluationScene, SceneSource
from scenetok_jax.evaluation.evaluator import whole_frames
from scenetok_jax.inference.context_choice import chosen
from scenetok_jax.inference.scenes import open_data
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.model import Model
from scenetok_jax.types import InputError, Views


@dataclasses.dataclass(frozen=True)
class EvaluationPlan:
  """Scenes to score.

  index_file: name; None where frames are chosen by rule. index_sha256: of
  the whole file, or of scene names and target cameras. With a file, sources
  and missing say which part of it is scored. listed: scenes the index names,
  up to the limit. missing: those that the data lack, or that are too short.
  """

  sources: tuple[SceneSource, ...]
  index_file: str | None
  index_sha256: str
  listed: int
  missing: tuple[str, ...] = ()

  def fitted(self, model: Model) -> "EvaluationPlan":
    """With frames that fill whole latents; InputError if a scene has none."""
    sources = []
    for source in self.sources:
      try:
        frames = whole_frames(model, source.frames)
      except InputError as error:
        raise InputError(f"scene {source.key}: {error}") from None
      sources.append(dataclasses.replace(source, frames=frames))
    return dataclasses.replace(self, sources=tuple(sources))


def heldout(
  dataset: Dataset,
  num_context: int,
  limit: int | None = None,
  context: Sequence[int] | None = None,
) -> EvaluationPlan:
  """Scenes of a prepared split with their context and frames to predict.

  Where frames were held out when preparing, exactly those are predicted and
  the context is chosen among the others. Elsewhere the context views are at
  least MIN_HEADING degrees of heading apart (farthest points in clips that do
  not turn so far) and all other frames are predicted. limit: only the first
  so many scenes. context: frames of every scene that are given instead.
  Raises InputError: no test split and no held-out frames, or no scene with
  frames enough (those without are `missing`).
  """
  held_out = any(row.held_out for row in dataset.scenes)
  if dataset.split == "train" and not held_out:
    raise InputError(
      f"{dataset.path}: no test split and no held-out frames: every frame was"
      " trained on; prepare with --split=test, or again with --holdout-every=N"
    )

  def choose(row: SceneRow, extrinsics: np.ndarray) -> ViewChoice:
    if context is None:
      return evaluation_views.choose(row, extrinsics, num_context)
    numbers = chosen(row.frames, context, f"scene {row.key}: --context")
    return evaluation_views.given_context(row, numbers)

  return _by_rule(dataset, limit, choose)


def first_views(dataset: Dataset, limit: int | None = None) -> EvaluationPlan:
  """Each scene's first frame is given; the path is that of all its frames.

  As in the published re10k_c1 files; arguments as for heldout.
  """

  def choose(row: SceneRow, extrinsics: np.ndarray) -> ViewChoice:
    frames = np.arange(row.frames)
    return ViewChoice(frames[:1], frames, frames, frames[:0])

  return _by_rule(dataset, limit, choose)


def _by_rule(
  dataset: Dataset,
  limit: int | None,
  choose: Callable[[SceneRow, np.ndarray], ViewChoice],
) -> EvaluationPlan:
  """No index file; choose: views of a scene with poses [T 4 4]."""
  sources, poses, faults = [], [], {}
  for row in dataset.scenes[:limit]:
    extrinsics = dataset.cameras(row).extrinsics
    try:
      choice = choose(row, extrinsics)
    except InputError as error:  # too few frames
      faults[row.key] = error
      continue
    sources.append(plan_source(dataset, row, row.key, choice))
    poses.append([row.key, extrinsics[choice.target].tolist()])
  if not sources:
    raise next(iter(faults.values()))
  text = json.dumps(sorted(poses, key=lambda item: item[0]))
  digest = hashlib.sha256(text.encode()).hexdigest()
  listed = len(sources) + len(faults)
  return EvaluationPlan(tuple(sources), None, digest, listed, tuple(faults))


def prepared_data(
  scenetok: SceneTok, data: str | None, split: str | None
) -> Dataset:
  """inference.scenes.open_data's split; InputError for a scene twice."""
  return _checked(open_data(scenetok, data, split))


def open_dataset(path: str, split: str | None = None) -> Dataset:
  """A prepared split in which every scene occurs once; default: test, or train.

  Raises InputError: it is not there, or names a scene twice.
  """
  split = split or evaluation_views.evaluation_split(path)
  return _checked(Dataset(path, split))


def _checked(dataset: Dataset) -> Dataset:
  [(key, count)] = Counter(row.key for row in dataset.scenes).most_common(1)
  if count > 1:
    raise InputError(
      f"{dataset.directory}: scene {key} is there twice; prepare the data again"
      " from sources that hold it once"
    )
  return dataset


def plan_source(
  dataset: Dataset, row: SceneRow, key: str, choice: ViewChoice
) -> SceneSource:
  """The chosen views of a scene, read when its turn comes."""
  context, target = choice.context.tolist(), choice.target.tolist()

  def load() -> EvaluationScene:
    given, predicted = (
      Views(images=images, cameras=cameras)
      for images, cameras in (
        dataset.read_frames(row, frames) for frames in (context, target)
      )
    )
    novel = ~np.isin(choice.target, choice.context)
    return EvaluationScene(key, given, predicted, novel)

  return SceneSource(
    key=key,
    views=len(context),
    frames=len(target),
    identity=f"{row.sha256} {context} {target}",
    load=load,
    clip=row.key,
    context=tuple(context),
    target=tuple(target),
  )
