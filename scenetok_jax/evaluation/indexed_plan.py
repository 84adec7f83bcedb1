"""What an evaluation scores: the scenes and frames of an index file."""

import re
from pathlib import Path

import numpy as np

from data_pipelines.views import evaluation as evaluation_views
from scenetok_jax.evaluation.plan import (
  EvaluationPlan,
  open_dataset,
  plan_source,
)
from scenetok_jax.evaluation.results import first_names
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
) -> EvaluationPlan:
  """The scenes of an index file, in the release's format.

  path, split: of the prepared data. grouping: of the target codec. limit: only
  the first so many entries. allow_missing: leave absent scenes out.

  Raises:
    InputError: absent scenes, or frames that a scene lacks.
  """
  dataset = open_dataset(path, split)
  index = evaluation_views.read_index(file)
  rows = {row.key: row for row in dataset.scenes}
  entries = list(index.scenes.items())[:limit]
  sources, missing = [], []
  for key, entry in entries:
    # Some published keys name the part of a clip: CLIP_1.
    row = rows.get(key) or rows.get(re.sub(r"_\d+$", "", key))
    if row is None:
      missing.append(key)
      continue
    where = f"{file}: scene {key}"
    try:
      choice = evaluation_views.from_index(entry, grouping)
    except InputError as error:
      raise InputError(f"{where}: {error}") from None
    frames = np.concatenate([choice.context, choice.target])
    bad = frames[(frames < 0) | (frames >= row.frames)]
    if len(bad):
      raise InputError(
        f"{where}: frame {bad[0]}: the prepared clip has {row.frames} frames;"
        " prepare the whole clip, or remove the scene from the index"
      )
    sources.append(plan_source(dataset, row, key, choice))
  listed = len(entries)
  if missing and not allow_missing:
    raise InputError(
      f"{file}: {len(missing)} of {listed} scenes are not in"
      f" {dataset.directory}: {first_names(missing)}; prepare them, or score"
      " the others with --allow-missing"
    )
  if not sources:
    raise InputError(
      f"{file}: none of its {listed} scenes is in {dataset.directory}; give"
      " the data that it was made for"
    )
  return EvaluationPlan(
    tuple(sources), index.file, index.sha256, listed, tuple(missing)
  )
