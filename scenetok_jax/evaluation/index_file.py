"""Makes an evaluation index of prepared data, in the authors' format."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from data_pipelines.views.index_making import Entry, IndexOptions, entries
from scenetok_jax.evaluation.plan import open_dataset
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class IndexFile:
  """An index. left_out: why other scenes are not in it."""

  entries: dict[str, Entry]
  left_out: dict[str, str]

  @property
  def text(self) -> str:
    """Of the file."""
    return json.dumps(self.entries)

  def report(self) -> dict[str, Any]:
    """As JSON values; context_gaps: least and most from first to last view."""
    gaps = [int(np.ptp(entry["context"])) for entry in self.entries.values()]
    return {
      "index_sha256": hashlib.sha256(self.text.encode()).hexdigest(),
      "scenes": len(self.entries),
      "left_out": self.left_out,
      "context_gaps": [min(gaps), max(gaps)],
    }


def make_index(
  data: str,
  options: IndexOptions,
  *,
  split: str = "test",
  scenes: int | None = None,
) -> IndexFile:
  """Frames of every scene of a prepared split that serves.

  data, split: of the prepared data. scenes: only the first so many that serve.

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
  return IndexFile(found, left_out)
