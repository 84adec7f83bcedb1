"""Index files: made of prepared data, and the scenes that one names."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.storage.records import Dataset
from data_pipelines.views import evaluation as evaluation_views
from data_pipelines.views.index_making import IndexOptions, entries
from scenetok_jax.evaluation import plan as plans
from scenetok_jax.evaluation.results import first_names
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError


def make_index(
  data: str,
  options: IndexOptions,
  *,
  split: str = "test",
  scenes: int | None = None,
) -> tuple[str, dict[str, Any]]:
  """Frames of every scene of a prepared split that serves, as published files.

  scenes: only the first so many that serve. -> the text of the index file, and
  its report: left_out says why other scenes are not in it, context_gaps the
  least and most from first to last view.
  Raises InputError: no such data, or no scene that serves.
  """
  dataset = plans.open_dataset(data, split)
  found, left_out = entries(dataset, options, scenes)
  if not found:
    key, reason = next(iter(left_out.items()))
    raise InputError(
      f"{dataset.directory}: none of its {len(dataset)} scenes serves ({key}:"
      f" {reason}); ask for fewer frames, a smaller gap or a smaller angle"
    )
  text = json.dumps(found)
  gaps = [int(np.ptp(entry["context"])) for entry in found.values()]
  return text, {
    "index_sha256": hashlib.sha256(text.encode()).hexdigest(),
    "scenes": len(found),
    "left_out": left_out,
    "context_gaps": [min(gaps), max(gaps)],
  }


def indexed(
  dataset: Dataset,
  file: Path,
  grouping: Grouping,
  *,
  limit: int | None = None,
  allow_missing: bool = False,
) -> plans.EvaluationPlan:
  """The scenes of an index file, in the release's format.

  grouping: of the target codec. limit: only the first so many entries.
  allow_missing: leave absent scenes out.
  Raises InputError: absent scenes, or frames that a scene lacks.
  """
  index = evaluation_views.read_index(file)
  rows = {row.key: row for row in dataset.scenes}
  listed = list(index.scenes.items())[:limit]
  sources, missing = [], []
  for key, entry in listed:
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
    sources.append(plans.plan_source(dataset, row, key, choice))
  if missing and not allow_missing:
    raise InputError(
      f"{file}: {len(missing)} of {len(listed)} scenes are not in"
      f" {dataset.directory}: {first_names(missing)}; prepare them, or score"
      " the others with --allow-missing"
    )
  if not sources:
    raise InputError(
      f"{file}: none of its {len(listed)} scenes is in {dataset.directory};"
      " give the data that it was made for"
    )
  return plans.EvaluationPlan(
    tuple(sources), index.file, index.sha256, len(listed), tuple(missing)
  )
