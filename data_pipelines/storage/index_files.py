"""The index of a split: scenes.jsonl, cameras.f32 and prepared.json."""

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.storage import records
from scenetok_jax.io import write_json
from scenetok_jax.reading.json_text import read_rows
from scenetok_jax.types import InputError


class IndexWriter:
  """Appends rows and cameras of scenes to the files of a folder."""

  def __init__(self, directory: Path):
    self.frames = 0
    self.rows = 0
    self._scenes = (directory / records.SCENES).open("w")
    self._cameras = (directory / records.CAMERAS).open("wb")

  def add(self, row: Any, cameras: np.ndarray) -> None:
    """A scene after those before it: its row, its cameras [T 25]."""
    self._cameras.write(cameras.astype("<f4").tobytes())
    self._scenes.write(json.dumps(dataclasses.asdict(row)) + "\n")
    self.rows += 1
    self.frames += row.frames

  def close(self) -> None:
    """Closes the two files."""
    self._scenes.close()
    self._cameras.close()


def join(
  parts: Sequence[Path],
  directory: Path,
  counts: Sequence[Mapping[str, int]],
  info: dict,
) -> None:
  """Joins the indices of parts into one, then writes prepared.json.

  Args:
    parts: their folders, in order.
    directory: the split's folder.
    counts: for each part, how far every number of a row that counts through
      the split moves on; with "first", the frames.
    info: goes into prepared.json.

  Raises:
    InputError: a key stands twice.
  """
  keys: set[str] = set()
  offsets = {"first": 0}
  with (
    (directory / records.SCENES).open("w") as rows,
    (directory / records.CAMERAS).open("wb") as cameras,
  ):
    for part, count in zip(parts, counts, strict=True):
      for _, row in read_rows(part / records.SCENES):
        if row["key"] in keys:
          raise InputError(
            f"scene {row['key']}: key: used twice; rename one of the two"
          )
        keys.add(row["key"])
        for field in count:
          row[field] += offsets.get(field, 0)
        rows.write(json.dumps(row) + "\n")
      with (part / records.CAMERAS).open("rb") as source:
        shutil.copyfileobj(source, cameras)
      for field, number in count.items():
        offsets[field] = offsets.get(field, 0) + number
  found = {
    "format_version": records.FORMAT_VERSION,
    "scenes": len(keys),
    "frames": offsets["first"],
  }
  write_json(directory / records.PREPARED, {**found, **info}, indent=1)
