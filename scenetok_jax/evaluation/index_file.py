"""Makes an evaluation index of prepared data, in the authors' format."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.views.index_making import Entry, IndexOptions, entries
from scenetok_jax.evaluation.plan import open_dataset
from scenetok_jax.io import write_text
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class IndexFile:
  """The text of an index file. left_out: why other scenes are not in it."""

  entries: dict[str, Entry]
  left_out: dict[str, str]

  @property
  def text(self) -> str:
    return json.dumps(self.entries)

  @property
  def sha256(self) -> str:
    return hashlib.sha256(self.text.encode()).hexdigest()

  def write(self, path: str | Path) -> None:
    write_text(path, self.text)

  def report(self) -> dict[str, Any]:
    """As JSON values; context_gaps: least and most from first to last view."""
    gaps = _gaps([entry["context"] for entry in self.entries.values()])
    return {
      "index_sha256": self.sha256,
      "scenes": len(self.entries),
      "left_out": self.left_out,
      "context_gaps": gaps,
    }


def make_index(
  data: str,
  options: IndexOptions,
  *,
  split: str = "test",
  scenes: int | None = None,
) -> IndexFile:
  """Frames of every scene of a prepared split that serves.

  Args:
    data, split: of the prepared data.
    options: how frames are chosen.
    scenes: only the first so many that serve.

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


def _gaps(contexts: Sequence[Sequence[int]]) -> list[int]:
  gaps = [int(np.ptp(context)) for context in contexts]
  return [min(gaps), max(gaps)]
