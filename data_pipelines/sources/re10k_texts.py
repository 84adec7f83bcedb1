"""RealEstate10K and ACID as first published: camera texts, frames from you.

  SOURCE/[<split>/]<key>.txt      url, then a row of 19 numbers per frame
  frames of <key>: a folder called <key> beside the text, or below frames/ or
    images/ (each optionally with <split>/)

A row is timestamp (microseconds), fx fy cx cy (normalised), two unused
numbers and the 3x4 world-to-camera matrix. A frame's image is called after
its time, which decoders give up to 1 ms off the row's: the nearest within 8 ms
is taken, as the authors advise. Numbered images are taken in order when there
is one per row.
"""

import functools
import os
import re
from pathlib import Path

import numpy as np

from data_pipelines.sources.posed_clips import PosedClip, read_bytes
from data_pipelines.sources.re10k_chunks import (
  ROW,
  cameras_from_rows,
  clip_from_rows,
)
from scenetok_jax.geometry import origins
from scenetok_jax.reading.image_search import IMAGE_SUFFIXES, natural_key
from scenetok_jax.types import Cameras, InputError

_NEAR = 8_000  # microseconds; frames are 16,000 or more apart
_TIME = re.compile("[0-9]{1,15}")  # exact in float64


def texts(source: str | os.PathLike, split: str) -> list[Path]:
  """Camera texts of a split, sorted: in SOURCE/<split>, else in SOURCE."""
  folder = Path(source) / split
  for place in (folder, Path(source)):
    found = sorted(place.glob("*.txt")) if place.is_dir() else []
    if found:
      return found
  return []


def read_text(path: str | os.PathLike) -> tuple[list[str], Cameras]:
  """(timestamps, cameras [T]) of a camera text, in file order.

  Raises InputError as _read_rows, and for cameras that are none.
  """
  stamps, rows = _read_rows(path)
  return stamps, cameras_from_rows(rows, f"{path}: row")


def _read_rows(path: str | os.PathLike) -> tuple[list[str], np.ndarray]:
  """(timestamps, camera rows [T 18] float64) of a camera text.

  Raises:
    InputError: not UTF-8 text, no row, or a row that is not 19 numbers.
  """
  try:
    lines = read_bytes(path).decode().splitlines()
  except ValueError as error:
    raise InputError(
      f"{path}: not readable ({error}); fetch it again"
    ) from None
  rows: list[list[float]] = []
  stamps: list[str] = []
  for number, line in enumerate(lines[1:], start=2):
    parts = line.split()
    if not parts:
      continue
    try:
      row = [float(part) for part in parts]
    except ValueError:
      row = []
    if len(row) != ROW + 1 or not _TIME.fullmatch(parts[0]):
      raise InputError(
        f"{path}: line {number}: not a timestamp and {ROW} numbers; fetch the"
        " text again"
      )
    if parts[0] in stamps[-1:]:
      raise InputError(f"{path}: line {number}: timestamp used twice")
    stamps.append(parts[0])
    rows.append(row[1:])
  if not rows:
    raise InputError(f"{path}: no camera in it; fetch the text again")
  return stamps, np.array(rows)


def load_scene(path: str | os.PathLike, split: str = "") -> PosedClip:
  """The clip of one camera text, with the frames found for it.

  Rows without an image and images without a row are left out, with a note.
  """
  path = Path(path)
  stamps, given = _read_rows(path)
  cameras, origin = clip_from_rows(given, f"{path}: row")
  folder = _frame_folder(path, split)
  files = _images(folder)
  rows, found, notes = _by_time(stamps, files)
  if len(rows) < 2 and len(files) == len(stamps):
    rows, found = list(range(len(stamps))), files
    notes = ["images are not called after timestamps: taken in order"]
  if not rows:
    raise InputError(
      f"{path}: none of its {len(stamps)} timestamps is within"
      f" {_NEAR // 1000} ms of the name of an image in {folder}, which holds"
      f" {len(files)}; name the frames <timestamp>.jpg, or extract one per row"
    )
  return PosedClip(
    key=path.stem,
    source=os.fspath(path),
    cameras=Cameras(cameras.extrinsics[rows], cameras.intrinsics[rows]),
    frames=[functools.partial(read_bytes, file) for file in found],
    names=[os.fspath(file) for file in found],
    warnings=(*notes, *origins.note(np.array(origin))),
    origin=origin,
  )


def _by_time(
  stamps: list[str], files: list[Path]
) -> tuple[list[int], list[Path], list[str]]:
  """Rows and images that are each other's nearest within _NEAR, and notes."""
  timed = [file for file in files if _TIME.fullmatch(file.stem)]
  times = np.array([float(file.stem) for file in timed])
  wanted = np.array([float(stamp) for stamp in stamps])
  if not timed:
    return [], [], []
  nearest, owner = _nearest(wanted, times), _nearest(times, wanted)
  apart = np.abs(times[nearest] - wanted)
  pairs = (owner[nearest] == np.arange(len(wanted))) & (apart <= _NEAR)
  rows = np.flatnonzero(pairs).tolist()
  notes = []
  if len(rows) < len(stamps):
    notes.append(f"{len(stamps) - len(rows)} rows have no image, left out")
  if len(rows) < len(files):
    notes.append(f"{len(files) - len(rows)} images have no row, left out")
  if any(off := apart[rows]):
    notes.append(
      f"{np.count_nonzero(off)} images are up to {max(off) / 1000:.3g} ms off"
      " their rows' timestamps: the nearest are taken"
    )
  return rows, [timed[nearest[row]] for row in rows], notes


def _nearest(these: np.ndarray, those: np.ndarray) -> np.ndarray:
  """Of each of these numbers the number of the nearest of those."""
  order = np.argsort(those, kind="stable")
  known = those[order]
  after = np.searchsorted(known, these).clip(1, max(len(known) - 1, 1))
  before = after - 1
  after = after.clip(max=len(known) - 1)
  closer = np.abs(known[before] - these) <= np.abs(known[after] - these)
  return order[np.where(closer, before, after)]


def _frame_folder(path: Path, split: str) -> Path:
  root = path.parent
  bases = [root, root / "frames", root / "images"]
  if split and root.name == split:
    bases += [root.parent / "frames" / split, root.parent / "images" / split]
  for base in bases:
    if (base / path.stem).is_dir():
      return base / path.stem
  raise InputError(
    f"{path}: no frames: none of {', '.join(str(b / path.stem) for b in bases)}"
    " is a folder; extract the clip's frames there"
  )


def _images(folder: Path) -> list[Path]:
  files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
  return sorted(files, key=lambda p: natural_key(p.name))
