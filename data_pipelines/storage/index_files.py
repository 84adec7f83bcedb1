"""The index of a split: scenes.jsonl, cameras.f32 and prepared.json."""

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.storage import records, scales
from scenetok_jax.io import write_json
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
  kind: type = records.SceneRow,
) -> None:
  """Joins the indices of parts into one, then writes prepared.json.

  A part without frames adds nothing.

  Args:
    parts: their folders, in order.
    directory: the split's folder.
    counts: for each part, how far every number of a row that counts through
      the split moves on; with "first", the frames.
    info: goes into prepared.json.
    kind: of the rows.

  Raises:
    InputError: a key stands twice, or a crash damaged a part.
  """
  keys: set[str] = set()
  joined = []
  offsets = {"first": 0}
  with (
    (directory / records.SCENES).open("w") as rows,
    (directory / records.CAMERAS).open("wb") as cameras,
  ):
    for part, count in zip(parts, counts, strict=True):
      if not count["first"]:
        continue
      for row in _rows(part, count["first"], kind):
        if row.key in keys:
          raise InputError(
            f"scene {row.key}: key: used twice; rename one of the two"
          )
        keys.add(row.key)
        moved = {n: getattr(row, n) + offsets.get(n, 0) for n in count}
        joined.append(dataclasses.replace(row, **moved))
        rows.write(json.dumps(dataclasses.asdict(joined[-1])) + "\n")
      with (part / records.CAMERAS).open("rb") as source:
        shutil.copyfileobj(source, cameras)
      for field, number in count.items():
        offsets[field] = offsets.get(field, 0) + number
  found = {
    "format_version": records.FORMAT_VERSION,
    "scenes": len(keys),
    "frames": offsets["first"],
    "scale": scales.measured(
      joined, records.map_cameras(directory / records.CAMERAS)
    ),
  }
  write_json(directory / records.PREPARED, {**found, **info}, indent=1)


def remedy(part: Path) -> str:
  """What to do about a part that a crash of the machine damaged."""
  return f"delete {part} and run the command again"


def _rows(part: Path, frames: int, kind: type) -> list[Any]:
  """Of a part of so many frames; InputError unless the files agree."""
  rows: list[Any] = records.read_scenes(part / records.SCENES, kind)
  cameras = records.map_cameras(part / records.CAMERAS)
  if not sum(row.frames for row in rows) == len(cameras) == frames:
    raise InputError(
      f"{part}: its files are of other numbers of frames; {remedy(part)}"
    )
  for row in rows:
    records.check_sum(cameras, row, part, remedy(part))
  return rows
