"""Fixed choices of context and target frames for scoring."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import TypedDict

import numpy as np

from data_pipelines.storage.records import SceneRow, splits
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.geometry.cameras import view_angles
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.reading.files import read_bytes
from scenetok_jax.reading.json_text import MAX_BYTES, parse
from scenetok_jax.reading.schema import Count, checked
from scenetok_jax.types import InputError, check_key, explained

_REMEDY = 'it must be JSON {scene: {"context": [...], "target": [...]}}'
_NONE = np.zeros(0, np.int64)

MIN_HEADING = 30.0  # degrees between the context views of an evaluation


def evaluation_split(path: str) -> str:
  """The test split, or else train, of which held-out frames are scored."""
  return "test" if "test" in splits(path) else "train"


class _Entry(TypedDict):
  context: list[Count]
  target: list[Count]


@dataclasses.dataclass(frozen=True)
class EvaluationIndex:
  """Context and target frames by scene, with the file's name and hash."""

  file: str
  sha256: str
  scenes: dict[str, tuple[list[int], list[int]]]


def read_index(
  path: str | os.PathLike, *, repeats: bool = False
) -> EvaluationIndex:
  """Reads {scene: {"context": [...], "target": [...]}} (release format).

  Scenes whose value is null are left out, as in the published files. repeats:
  a frame may be listed twice, and then counts twice (release).
  """
  path = Path(path)
  where = f"{path}: not an evaluation index"
  with explained(where, _REMEDY, OSError):
    data = read_bytes(path, MAX_BYTES)
  document = parse(data, where, _REMEDY)
  found = checked(document, dict[str, _Entry | None], where, _REMEDY)
  scenes = {k: (e["context"], e["target"]) for k, e in found.items() if e}
  for key, lists in scenes.items():
    check_key(key, f"{path}: scene")
    for name, frames in zip(("context", "target"), lists, strict=True):
      if len(set(frames)) < len(frames) and not repeats:
        raise InputError(
          f"{path}: scene {key}: {name}: a frame is listed twice; every"
          " frame counts once, so remove one of the two"
        )
  digest = hashlib.sha256(data).hexdigest()
  return EvaluationIndex(path.name, digest, scenes)


def from_index(
  entry: tuple[list[int], list[int]], grouping: Grouping
) -> ViewChoice:
  """Frames of an index entry, in its order, with their latents.

  Plain grouping: one latent number per target frame. Chunked grouping (Wan):
  a target list whose length is a multiple of 4 is prolonged by 4 frames (64
  -> 68 = 4 x 17; release), and latents are counted once.

  Raises:
    InputError: an empty list.
  """
  context, target = (np.array(frames, np.int64) for frames in entry)
  if not len(context) or not len(target):
    raise InputError("context or target is empty; remove the scene")
  if not grouping.chunked:
    latents = np.asarray(grouping.frame_to_latent(target))
    return ViewChoice(context, target, latents, _NONE)
  if len(target) % 4 == 0:
    target = np.concatenate([target, target[-1] + np.arange(1, 5)])
  first, end = (
    int(grouping.frame_to_latent(int(f))) for f in (target[0], target[-1] + 1)
  )
  return ViewChoice(context, target, np.arange(first, end), _NONE)


def choose_by_heading(
  extrinsics: np.ndarray,
  count: int,
  min_degrees: float,
  candidates: np.ndarray | None = None,
) -> ViewChoice:
  """Context frames far apart in heading; every other frame is a target.

  Greedy farthest points on the angle between optical axes, from the start
  that keeps the closest two context frames farthest apart.

  Args:
    extrinsics: [T, 4, 4] of a clip.
    count: context frames.
    min_degrees: least angle between any two of them.
    candidates: frames that may be context (default: all).

  Returns:
    ViewChoice with sorted context and target frames, one latent per frame.

  Raises:
    InputError: the clip does not turn far enough.
  """
  frames = np.arange(len(extrinsics))
  usable = frames if candidates is None else np.asarray(candidates)
  if len(usable) < count:
    raise InputError(
      f"{count} context frames asked of {len(usable)}; lower the number"
    )
  angles = view_angles(extrinsics[usable])
  picks = [_greedy(angles, count, first) for first in range(len(usable))]
  gaps = [_least(angles, pick) for pick in picks]
  best = int(np.argmax(gaps))
  if gaps[best] < min_degrees:
    raise InputError(
      f"no {count} frames are {min_degrees:g} degrees of heading apart (best:"
      f" {gaps[best]:.1f}); lower the number or the angle"
    )
  context = np.sort(usable[picks[best]])
  target = np.setdiff1d(frames, context)
  return ViewChoice(context, target, target, _NONE)


def choose(
  row: SceneRow, extrinsics: np.ndarray, num_context: int
) -> ViewChoice:
  """Of a prepared clip: its held-out frames as targets, or all but context."""
  if row.held_out:
    return held_out(row, extrinsics, num_context)
  return cover(extrinsics, num_context, MIN_HEADING)


def given_context(row: SceneRow, context: np.ndarray) -> ViewChoice:
  """Context frames as they are given; targets as of `choose`."""
  frames = np.arange(row.frames)
  target = np.array(row.held_out, np.int64) if row.held_out else frames
  target = np.setdiff1d(target, context)
  return ViewChoice(context, target, target, _NONE)


def cover(extrinsics: np.ndarray, count: int, min_degrees: float) -> ViewChoice:
  """By heading, or farthest points where the clip does not turn that far.

  Raises:
    InputError: fewer frames than context views.
  """
  try:
    return choose_by_heading(extrinsics, count, min_degrees)
  except InputError:
    if len(extrinsics) < count:
      raise
  context = np.unique(farthest_point(extrinsics, count, 0))
  target = np.setdiff1d(np.arange(len(extrinsics)), context)
  return ViewChoice(context, target, target, _NONE)


def held_out(
  row: SceneRow, extrinsics: np.ndarray, num_context: int
) -> ViewChoice:
  """Held-out frames as targets, training frames far apart as context."""
  if not row.held_out:
    raise InputError(
      f"scene {row.key}: no held-out frames; prepare with --holdout-every=N"
    )
  kept = row.kept
  if len(kept) < num_context:
    raise InputError(
      f"scene {row.key}: data.num_context: {num_context} context frames asked"
      f" of {len(kept)}; lower it"
    )
  context = kept[farthest_point(extrinsics[kept], num_context, 0)]
  target = np.array(row.held_out, np.int64)
  return ViewChoice(context, target, target, _NONE)


def _greedy(angles: np.ndarray, count: int, first: int) -> list[int]:
  chosen = [first]
  nearest = angles[first]
  while len(chosen) < count:
    chosen.append(int(np.argmax(nearest)))
    nearest = np.minimum(nearest, angles[chosen[-1]])
  return chosen


def _least(angles: np.ndarray, chosen: list[int]) -> float:
  """Smallest angle between two of the chosen frames."""
  between = angles[np.ix_(chosen, chosen)]
  others = between[~np.eye(len(chosen), dtype=bool)]
  return float(others.min()) if len(others) else np.inf
