"""What an evaluation scores: scenes of prepared data, by rule or index file."""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.storage import records
from data_pipelines.views import evaluation as evaluation_views
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.evaluation.batches import EvaluationScene, Source
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError, Views

Whole = Callable[[int], int]  # frames -> those that fill whole latents


@dataclasses.dataclass(frozen=True)
class Plan:
  """Scenes to score.

  index_file: name; None where frames are chosen by rule. index_sha256: of
  the whole file, or of scene names and target cameras. With a file, sources
  and missing say which part of it is scored. listed: scenes the index names,
  up to the limit. missing: those that the data lack.
  """

  sources: tuple[Source, ...]
  index_file: str | None
  index_sha256: str
  listed: int
  missing: tuple[str, ...] = ()


def heldout(
  path: str,
  split: str,
  num_context: int,
  limit: int | None = None,
  whole: Whole = lambda frames: frames,
) -> Plan:
  """Scenes of a prepared split with their context and frames to predict.

  Where frames were held out when preparing, exactly those are predicted and
  the context is chosen among the others. Elsewhere the context views are at
  least MIN_HEADING degrees of heading apart (farthest points in clips that do
  not turn so far) and all other frames are predicted.

  Args:
    path, split: of the prepared data.
    num_context: context views.
    limit: only the first so many scenes.
    whole: of the target codec.

  Raises:
    InputError: no test split and no held-out frames, or fewer frames than
      context views.
  """
  dataset = open_dataset(path, split)
  if split == "train" and not any(row.held_out for row in dataset.scenes):
    raise InputError(
      f"{path}: no test split and no held-out frames: every frame was trained"
      " on; prepare with --split=test, or again with --holdout-every=N"
    )
  sources, poses = [], []
  for row in dataset.scenes[:limit]:
    extrinsics = dataset.cameras(row).extrinsics
    if row.held_out:
      choice = evaluation_views.held_out(row, extrinsics, num_context)
    else:
      choice = evaluation_views.cover(
        extrinsics, num_context, evaluation_views.MIN_HEADING
      )
    sources.append(_source(dataset, row, row.key, choice, whole))
    poses.append([row.key, extrinsics[choice.target].tolist()])
  return _by_rule(sources, poses)


def evaluation_scenes(
  path: str, split: str, num_context: int, limit: int | None = None
) -> list[EvaluationScene]:
  """Scenes of a prepared split, read; see heldout."""
  plan = heldout(path, split, num_context, limit)
  return [source.load() for source in plan.sources]


def first_views(
  path: str,
  split: str,
  limit: int | None = None,
  whole: Whole = lambda frames: frames,
) -> Plan:
  """Each scene's first frame is given; the path is that of all its frames.

  As in the published re10k_c1 files; arguments as for heldout.
  """
  dataset = open_dataset(path, split)
  sources, poses = [], []
  for row in dataset.scenes[:limit]:
    frames = np.arange(row.frames)
    choice = ViewChoice(frames[:1], frames, frames, frames[:0])
    sources.append(_source(dataset, row, row.key, choice, whole))
    poses.append([row.key, dataset.cameras(row).extrinsics.tolist()])
  return _by_rule(sources, poses)


def _by_rule(sources: list[Source], poses: list[list[Any]]) -> Plan:
  """Plan without an index file. poses: [name, target extrinsics] of each."""
  text = json.dumps(sorted(poses, key=lambda item: item[0]))
  digest = hashlib.sha256(text.encode()).hexdigest()
  return Plan(tuple(sources), None, digest, len(sources))


def indexed(
  path: str,
  split: str,
  file: Path,
  grouping: Grouping,
  *,
  limit: int | None = None,
  allow_missing: bool = False,
  whole: Whole = lambda frames: frames,
) -> Plan:
  """The scenes of an index file.

  Args:
    path, split: of the prepared data.
    file: the index, in the release's format.
    grouping: of the target codec.
    limit: only the first so many entries.
    allow_missing: leave absent scenes out instead of refusing.
    whole: of the target codec.

  Raises:
    InputError: absent scenes, or frames that a scene lacks.
  """
  dataset = open_dataset(path, split)
  index = evaluation_views.read_index(file)
  rows = {row.key: row for row in dataset.scenes}
  entries = list(index.scenes.items())[:limit]
  sources, missing = [], []
  for key, entry in entries:
    row = rows.get(key) or rows.get(clip_of(key))
    if row is None:
      missing.append(key)
      continue
    where = f"{file}: scene {key}"
    try:
      choice = evaluation_views.from_index(entry, grouping)
    except InputError as error:
      raise InputError(f"{where}: {error}") from None
    _check_frames(where, choice, row)
    sources.append(_source(dataset, row, key, choice, whole))
  _check_missing(file, dataset, missing, len(entries), allow_missing)
  return Plan(
    tuple(sources), index.file, index.sha256, len(entries), tuple(missing)
  )


def clip_of(key: str) -> str:
  """Some published keys name the part of a clip: CLIP_1."""
  return re.sub(r"_\d+$", "", key)


def open_dataset(path: str, split: str) -> records.Dataset:
  """A prepared split in which every scene occurs once.

  Raises:
    InputError: it is not there, or names a scene twice.
  """
  dataset = records.Dataset(path, split)
  seen: set[str] = set()
  for row in dataset.scenes:
    if row.key in seen:
      raise InputError(
        f"{dataset.directory}: scene {row.key} is there twice; prepare the"
        " data again from sources that hold it once"
      )
    seen.add(row.key)
  return dataset


def check_size(path: str, plan: Plan, size: int, found: int) -> None:
  """InputError unless frames are of the model's size."""
  if plan.sources and found != size:
    raise InputError(
      f"{path}: frames of {found} pixels, the model reads {size}; prepare with"
      f" --size={size}"
    )


def _check_missing(
  file: Path,
  dataset: records.Dataset,
  missing: list[str],
  listed: int,
  allowed: bool,
) -> None:
  if missing and not allowed:
    names = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
    raise InputError(
      f"{file}: {len(missing)} of {listed} scenes are not in"
      f" {dataset.directory}: {names}; prepare them, or score the others with"
      " --allow-missing"
    )
  if len(missing) == listed:
    raise InputError(
      f"{file}: none of its {listed} scenes is in {dataset.directory}; give"
      " the data that it was made for"
    )


def _check_frames(
  where: str, choice: ViewChoice, row: records.SceneRow
) -> None:
  frames = np.concatenate([choice.context, choice.target])
  bad = frames[(frames < 0) | (frames >= row.frames)]
  if len(bad):
    raise InputError(
      f"{where}: frame {bad[0]}: the prepared clip has {row.frames} frames;"
      " prepare the whole clip, or remove the scene from the index"
    )


def _source(
  dataset: records.Dataset,
  row: records.SceneRow,
  key: str,
  choice: ViewChoice,
  whole: Whole,
) -> Source:
  try:
    frames = whole(len(choice.target))
  except InputError as error:
    raise InputError(f"scene {key}: {error}") from None
  context, target = choice.context.tolist(), choice.target.tolist()
  return Source(
    key=key,
    views=len(context),
    frames=frames,
    identity=f"{row.sha256} {context} {target}",
    load=functools.partial(_load, dataset, row, key, choice),
  )


def _load(
  dataset: records.Dataset, row: records.SceneRow, key: str, choice: ViewChoice
) -> EvaluationScene:
  def views(frames: np.ndarray) -> Views:
    images, cameras = dataset.read_frames(row, frames)
    return Views(images=images, cameras=cameras)

  return EvaluationScene(
    key,
    views(choice.context),
    views(choice.target),
    novel=~np.isin(choice.target, choice.context),
  )
