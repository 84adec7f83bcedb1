"""Makes an evaluation index of prepared data, in the authors' format."""

import hashlib
import json
from typing import Any

import numpy as np

from data_pipelines.views.index_making import IndexOptions, entries
from scenetok_jax.evaluation.plan import open_dataset
from scenetok_jax.types import InputError


def make_index(
  data: str,
  options: IndexOptions,
  *,
  split: str = "test",
  scenes: int | None = None,
) -> tuple[str, dict[str, Any]]:
  """Frames of every scene of a prepared split that serves.

  scenes: only the first so many that serve. -> the text of the index file, and
  its report: left_out says why other scenes are not in it, context_gaps the
  least and most from first to last view.

  Raises:
    InputError: no such data, or no scene that serves.
  """
  dataset = open_dataset(data, split)
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
