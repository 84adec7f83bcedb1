"""What an evaluation scores: the scenes and frames of an index file."""

import re
from pathlib import Path

import numpy as np

from data_pipelines.storage import records
from data_pipelines.views import evaluation as evaluation_views
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.evaluation.plan import (
  EvaluationPlan,
  WholeFrames,
  open_dataset,
  plan_source,
)
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError


def indexed(
  path: str,
  split: str,
  file: Path,
  grouping: Grouping,
  *,
  limit: int | None = None,
  allow_missing: bool = False,
  whole: WholeFrames = lambda frames: frames,
) -> EvaluationPlan:
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
    sources.append(plan_source(dataset, row, key, choice, whole))
  _check_missing(file, dataset, missing, len(entries), allow_missing)
  return EvaluationPlan(
    tuple(sources), index.file, index.sha256, len(entries), tuple(missing)
  )


def clip_of(key: str) -> str:
  """Some published keys name the part of a clip: CLIP_1."""
  return re.sub(r"_\d+$", "", key)


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
