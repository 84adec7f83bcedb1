"""Seeded choices of context and target frames for new index files."""

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np

from data_pipelines.storage.records import Dataset, SceneRow
from data_pipelines.views import evaluation
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.reading.schema import Angle, Few, Seed, Some
from scenetok_jax.types import InputError, option

Entry = dict[str, list[int]]  # "context" and "target", as in published files


@dataclasses.dataclass(frozen=True)
class IndexOptions:
  """How frames are chosen.

  context: number of context views. choose: a key of CHOICES; None becomes
  "farthest", or "ends" with a gap, whose ends it keeps. start: "first" puts
  the window at frame 0, "random" anywhere. min_heading: least angle in degrees
  between any two context views' directions.
  """

  context: int
  targets: Few | None = option(
    None,
    "consecutive frames to predict, from the window's start on (default:"
    " all of it); with --gap, drawn strictly between the context views",
  )
  choose: str | None = option(
    None,
    "the context (default: farthest; with --gap, ends): farthest points"
    " from the window's first frame, both ends and others at random, even,"
    " random, or spread by heading",
  )
  span: Few | None = option(
    None, "frames in which the context lies (default: --targets, else all)"
  )
  gap: tuple[Some, Some] | None = option(
    None,
    "frames from the first to the last context view, instead of --span",
    metavar=("MIN", "MAX"),
  )
  start: str = option(
    "first",
    "where in the clip the window is; with --gap always at random",
    choices=("first", "random"),
  )
  min_heading: Angle = option(30.0, "degrees, with --choose=heading")
  seed: Seed = option(0, "of what is drawn")

  def __post_init__(self) -> None:
    if self.choose is None:
      object.__setattr__(self, "choose", "ends" if self.gap else "farthest")
    if self.context < 1:
      raise InputError(f"--context: {self.context} must be at least 1")
    if self.targets is not None and self.targets < 1:
      raise InputError(f"--targets: {self.targets} must be at least 1")
    if self.choose not in CHOICES:
      raise InputError(
        f"--choose: {self.choose!r}; use one of {', '.join(CHOICES)}"
      )
    if self.gap and self.span:
      raise InputError("--gap, --span: both bound the context; give one")
    if self.gap and self.choose not in ("ends", "even"):
      raise InputError(
        f"--choose: {self.choose} keeps no gap; use ends or even with --gap"
      )
    if self.gap and (self.context < 2 or not 0 < self.gap[0] <= self.gap[1]):
      raise InputError(
        f"--gap: {self.gap[0]} {self.gap[1]}: needs two or more context views"
        " and 0 < MIN <= MAX"
      )
    if self.span and self.span < max(self.context, self.targets or 1):
      raise InputError(
        f"--span: {self.span} frames hold neither {self.context} context views"
        f" nor {self.targets} targets; give more"
      )


def entry(
  row: SceneRow, extrinsics: np.ndarray, options: IndexOptions
) -> Entry:
  """The frames of one scene.

  Draws depend on the seed and the scene's name alone: other scenes and their
  order change nothing. Frames held out when preparing are never context;
  where there are any, they alone are targets.

  Args:
    row: of the scene.
    extrinsics: [T 4 4] of its frames.
    options: what is asked for.

  Raises:
    InputError: the clip is too short or turns too little.
  """
  rng = _rng(row.key, options.seed)
  window = _window(row, options, rng)
  usable = np.setdiff1d(window, np.array(row.held_out, int))
  if len(usable) < options.context:
    raise InputError(
      f"{len(usable)} frames may be context, {options.context} are asked for"
    )
  picks = CHOICES[str(options.choose)](extrinsics[usable], options, rng)
  context = usable[np.sort(picks)]
  return {
    "context": context.tolist(),
    "target": _targets(row, window, context, options, rng).tolist(),
  }


def entries(
  dataset: Dataset, options: IndexOptions, limit: int | None = None
) -> tuple[dict[str, Entry], dict[str, str]]:
  """Entries by scene, and why other scenes have none.

  limit: only the first so many scenes that serve. InputError for damaged data.
  """
  found: dict[str, Entry] = {}
  left_out: dict[str, str] = {}
  for row in dataset.scenes:
    if limit is not None and len(found) == limit:
      break
    extrinsics = dataset.cameras(row).extrinsics  # damage is no reason
    try:
      found[row.key] = entry(row, extrinsics, options)
    except InputError as error:
      left_out[row.key] = str(error)
  return found, left_out


def _rng(key: str, seed: int) -> np.random.Generator:
  digest = hashlib.sha256(key.encode()).digest()
  return np.random.default_rng([seed, *np.frombuffer(digest, np.uint32)])


def _window(
  row: SceneRow, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  """Consecutive frames in which the context lies."""
  length = options.span or options.targets or row.frames
  if options.gap:
    # Short clips draw from the gaps that they hold.
    least, most = options.gap[0], min(options.gap[1], row.frames - 1)
    length = int(rng.integers(least, max(least, most), endpoint=True)) + 1
  if row.frames < length:
    raise InputError(f"{row.frames} frames, {length} are asked for")
  room = row.frames - length
  drawn = options.start == "random" or options.gap
  first = int(rng.integers(room, endpoint=True)) if drawn else 0
  return np.arange(first, first + length)


def _targets(
  row: SceneRow,
  window: np.ndarray,
  context: np.ndarray,
  options: IndexOptions,
  rng: np.random.Generator,
) -> np.ndarray:
  targets = window
  if row.held_out:
    targets = np.intersect1d(window, np.array(row.held_out, int))
  if not len(targets):
    raise InputError("no held-out frame lies in the window")
  wanted = options.targets
  if options.gap and wanted is not None:
    between = np.setdiff1d(targets, context)
    between = between[(between > context[0]) & (between < context[-1])]
    if len(between) < wanted:
      raise InputError(f"{len(between)} frames between, {wanted} asked for")
    return np.sort(rng.choice(between, wanted, replace=False))
  return targets[:wanted]


def _farthest(
  extrinsics: np.ndarray, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  del rng
  # Clips that stand still have equal distances: never one frame twice.
  picks = np.unique(farthest_point(extrinsics, options.context, 0))
  if len(picks) < options.context:
    raise InputError("too many frames with the same pose")
  return picks


def _even(
  extrinsics: np.ndarray, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  del rng
  last = len(extrinsics) - 1
  return np.round(np.linspace(0, last, options.context)).astype(int)


def _ends(
  extrinsics: np.ndarray, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  """First and last of the window, others at random (as dl3dv_c16_32)."""
  last, count = len(extrinsics) - 1, options.context
  fixed = [0, last][:count]
  inner = rng.choice(
    np.arange(1, last), max(0, count - len(fixed)), replace=False
  )
  return np.concatenate([fixed, inner]).astype(int)


def _random(
  extrinsics: np.ndarray, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  return rng.choice(len(extrinsics), options.context, replace=False)


def _heading(
  extrinsics: np.ndarray, options: IndexOptions, rng: np.random.Generator
) -> np.ndarray:
  del rng
  choice = evaluation.choose_by_heading(
    extrinsics, options.context, options.min_heading
  )
  return choice.context


CHOICES: dict[str, Callable[..., np.ndarray]] = {
  "farthest": _farthest,
  "ends": _ends,
  "even": _even,
  "random": _random,
  "heading": _heading,
}
