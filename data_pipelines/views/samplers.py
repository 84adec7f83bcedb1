"""Choosing context, target and conditioning frames of a scene.

Pure functions of a NumPy generator: given the same draws they make the same
choice. Draws are made in the release's order (docs/architecture.md, "view
samplers"), so that recorded draws can be replayed.
"""

import dataclasses
from typing import Any

import numpy as np

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.types import InputError

_TEST_GAP = 8  # release: unbounded sampler outside training


@dataclasses.dataclass(frozen=True)
class ViewChoice:
  """Frame numbers of one example.

  context [Nc] sorted; target [F] frames in the order of `latents` [L];
  condition [Nk], the first is one of the context frames.
  """

  context: np.ndarray
  target: np.ndarray
  latents: np.ndarray
  condition: np.ndarray


@dataclasses.dataclass(frozen=True)
class ViewSampler:
  """Settings of the random samplers; frame counts unless said otherwise.

  name: "unbounded" (context from the whole scene) or "bounded" (context and
    targets from one interval).
  num_targets: target latents; gap: latents between chunk starts.
  chunks, chunk_probability: targets are `chunks` runs of latents with this
    probability, else one run.
  full_range: runs shorter than num_targets may start later, so that the last
    frames of a clip are drawn too (ours; False is the release).
  context: "farthest_point" or "uniform".
  initial_context_gap, final_context_gap: (min, max) frames between the first
    and the last context frame, moving linearly over warmup_steps (bounded).
  initial_margin, margin: frames by which the target interval is wider on
    either side, moving over margin_warmup_steps (bounded).
  """

  name: str = "unbounded"
  num_context: int = 12
  num_targets: int = 8
  num_conditions: int = 0
  grouping: Grouping = Grouping(4)
  gap: int = 4
  chunks: int = 1
  chunk_probability: float = 1.0
  full_range: bool = False
  context: str = "farthest_point"
  initial_context_gap: tuple[int, int] | None = None
  final_context_gap: tuple[int, int] = (64, 96)
  warmup_steps: int = 0
  initial_margin: int | None = None
  margin: int = 0
  margin_warmup_steps: int = 0

  @classmethod
  def from_config(cls, data: Any) -> "ViewSampler":
    """From the `data` section of a configuration."""
    section = dict(data.view_sampler.items())
    shared = ("num_context", "num_targets", "num_conditions")
    known = {field.name for field in dataclasses.fields(cls)}
    known -= {*shared, "grouping"}
    unknown = sorted(set(section) - known)
    if unknown:
      raise InputError(
        f"data.view_sampler.{unknown[0]}: unknown field; known are"
        f" {sorted(known)}"
      )
    for name in ("initial_context_gap", "final_context_gap"):
      if section.get(name) is not None:
        section[name] = tuple(section[name])
    fields = {name: getattr(data, name) for name in shared}
    grouping = Grouping(data.frames_per_latent, data.chunked)
    return cls(**section, **fields, grouping=grouping)

  def __post_init__(self):
    _check(self.name in ("unbounded", "bounded"), "name", self.name)
    _check(
      self.context in ("farthest_point", "uniform"), "context", self.context
    )
    _check(self.chunks >= 1, "chunks", self.chunks)
    _check(self.gap >= 1, "gap", self.gap)
    if self.num_targets % self.chunks:
      raise InputError(
        f"data.view_sampler.chunks: {self.chunks} chunks do not divide"
        f" data.num_targets={self.num_targets}; change one of them"
      )
    span = self.grouping.unit_latents
    if self.gap % span or self.num_targets % span:
      raise InputError(
        f"data.chunked: data.view_sampler.gap={self.gap} and"
        f" data.num_targets={self.num_targets} must be multiples of {span}"
      )

  def check_frames(self, frames: int) -> None:
    """InputError when a clip of this many usable frames is too short."""
    available = self.grouping.latents(frames)
    needs = (
      ("num_context", self.num_context, frames, "frames"),
      ("num_conditions", self.num_conditions, frames, "frames"),
      ("num_targets", self.num_targets, available, "latents"),
    )
    for field, needed, found, unit in needs:
      if needed > found:
        raise InputError(
          f"data.{field}: {needed} {unit} needed, but only {found} {unit} in"
          f" {frames} usable frames; lower data.{field} or leave the scene out"
        )
    if self.name == "bounded":
      self._check_interval(frames)

  def _check_interval(self, frames: int) -> None:
    """InputError unless every interval that may be drawn holds the views."""
    context_gap_limits(self, self.warmup_steps, frames)
    low, _ = context_gap_limits(self, 0, frames)
    left = np.arange(frames - low)
    first, last = (
      self.grouping.frame_to_latent(f) // self.gap * self.gap
      for f in (left, left + low)
    )
    fewest = int(np.min(last - first))
    if fewest < self.num_targets or low + 1 < self.num_context:
      raise InputError(
        f"data.view_sampler.initial_context_gap: an interval of {low + 1}"
        f" frames ({fewest} latents) cannot hold data.num_targets="
        f"{self.num_targets} and data.num_context={self.num_context}; widen it"
      )

  def sample(
    self,
    rng: np.random.Generator,
    extrinsics: np.ndarray,
    step: int = 0,
    *,
    train: bool = True,
  ) -> ViewChoice:
    """Draws the frames of one example.

    Args:
      rng: source of randomness.
      extrinsics: [T, 4, 4] of all frames of the clip.
      step: training step, for the limits that warm up.
      train: False takes the widest limits and one run of targets.

    Raises:
      InputError: the clip is too short for these settings.
    """
    function = unbounded if self.name == "unbounded" else bounded
    return function(rng, extrinsics, self, step, train=train)


def unbounded(
  rng: np.random.Generator,
  extrinsics: np.ndarray,
  sampler: ViewSampler,
  step: int = 0,
  *,
  train: bool = True,
) -> ViewChoice:
  """Targets anywhere in the clip, context from the whole clip (RE10K)."""
  del step  # nothing warms up
  frames = len(extrinsics)
  total = sampler.grouping.latents(frames)
  gap = sampler.gap if train else _test_gap(sampler)
  target, latents = _draw_targets(rng, (0, total), gap, sampler, train)
  context = _spread_context(rng, extrinsics, sampler)
  condition = _draw_condition(rng, context, frames, sampler.num_conditions)
  return ViewChoice(context, target, latents, condition)


def bounded(
  rng: np.random.Generator,
  extrinsics: np.ndarray,
  sampler: ViewSampler,
  step: int = 0,
  *,
  train: bool = True,
) -> ViewChoice:
  """Context spans a drawn interval, targets lie inside it (DL3DV)."""
  frames = len(extrinsics)
  low, high = context_gap_limits(sampler, step, frames, train=train)
  gap = int(rng.integers(low, high + 1)) if train else high
  left = int(rng.integers(0, frames - gap))
  right = left + gap
  margin = margin_limit(sampler, step, train=train)
  first, last = (
    sampler.grouping.frame_to_latent(frame) // sampler.gap * sampler.gap
    for frame in (max(left - margin, 0), min(right + margin, frames - 1))
  )
  interval = (int(first), int(last))
  target, latents = _draw_targets(rng, interval, sampler.gap, sampler, train)
  context = _interval_context(rng, extrinsics, sampler, left, right)
  condition = _draw_condition(rng, context, frames, sampler.num_conditions)
  return ViewChoice(context, target, latents, condition)


def context_gap_limits(
  sampler: ViewSampler, step: int, frames: int, *, train: bool = True
) -> tuple[int, int]:
  """(min, max) frames between the outer context frames at a step."""
  final = sampler.final_context_gap
  initial = sampler.initial_context_gap or final
  low, high = (
    _warm(first, last, step, sampler.warmup_steps if train else 0)
    for first, last in zip(initial, final, strict=True)
  )
  high = min(high, frames - 1)
  if high < low:
    raise InputError(
      f"data.view_sampler.final_context_gap: needs clips of more than {low}"
      f" frames, this one has {frames}; lower it or drop short scenes"
    )
  return low, high


def margin_limit(sampler: ViewSampler, step: int, *, train: bool = True) -> int:
  """Frames by which targets may leave the context interval at a step."""
  initial = sampler.initial_margin
  if initial is None or not train:
    return sampler.margin
  return _warm(initial, sampler.margin, step, sampler.margin_warmup_steps)


def _warm(initial: int, final: int, step: int, steps: int) -> int:
  """Linear from initial to final over `steps`, then final."""
  if steps <= 0 or step >= steps:
    return final
  return min(initial + int((final - initial) * step / steps), final)


def _test_gap(sampler: ViewSampler) -> int:
  return _TEST_GAP if not sampler.grouping.chunked else sampler.gap


def _draw_targets(
  rng: np.random.Generator,
  interval: tuple[int, int],
  gap: int,
  sampler: ViewSampler,
  train: bool,
) -> tuple[np.ndarray, np.ndarray]:
  """Target frames and latents: runs of latents from distinct starts."""
  first, last = interval
  total = sampler.num_targets
  if last - first < total:
    raise InputError(
      f"data.num_targets: {total} latents do not fit into the {last - first}"
      " latents of this clip (or of its context interval); lower it or drop"
      " short scenes"
    )
  unsplit = rng.random() >= sampler.chunk_probability
  wanted = sampler.chunks if train and not unsplit else 1
  for chunks in range(wanted, 0, -1):
    length = total // chunks
    reserve = length if sampler.full_range else total
    starts = np.arange(first, last - reserve + 1, gap)
    # A count that does not divide the targets would lose some of them.
    if total % chunks == 0 and len(starts) >= chunks:
      break
  drawn = starts[rng.choice(len(starts), size=chunks, replace=False)]
  latents = np.concatenate([np.arange(s, s + length) for s in drawn])
  spans = [sampler.grouping.span(s, s + length) for s in drawn]
  target = np.concatenate([np.arange(a, b) for a, b in spans])
  return target, latents


def _spread_context(
  rng: np.random.Generator, extrinsics: np.ndarray, sampler: ViewSampler
) -> np.ndarray:
  frames, count = len(extrinsics), sampler.num_context
  if frames < count:
    raise InputError(
      f"data.num_context: {count} context frames asked of a clip of {frames};"
      " lower it or drop short scenes"
    )
  if sampler.context == "uniform":
    return np.linspace(0, frames - 1, count).astype(np.int64)
  return farthest_point(extrinsics, count, int(rng.integers(0, frames)))


def _interval_context(
  rng: np.random.Generator,
  extrinsics: np.ndarray,
  sampler: ViewSampler,
  left: int,
  right: int,
) -> np.ndarray:
  """Both ends of the interval, and frames between them."""
  count = sampler.num_context
  if right - left + 1 < count:
    raise InputError(
      f"data.num_context: {count} context frames asked of an interval of"
      f" {right - left + 1}; lower it or widen data.view_sampler"
      ".final_context_gap"
    )
  if count == 1:
    return np.array([left])
  if count == 2:
    return np.array([left, right])
  if sampler.context == "uniform":
    return np.linspace(left, right, count).astype(np.int64)
  inside = extrinsics[left : right + 1]
  first = int(rng.integers(0, len(inside)))
  # Its outermost two make room for the ends of the interval.
  interior = farthest_point(inside, count, first)[1:-1] + left
  return np.array([left, *interior, right])


def _draw_condition(
  rng: np.random.Generator, context: np.ndarray, frames: int, count: int
) -> np.ndarray:
  """A context frame, then count - 1 other frames of the clip."""
  if count == 0:
    return np.zeros(0, np.int64)
  reference = int(context[rng.integers(0, len(context))])
  others = np.delete(np.arange(frames), reference)
  if len(others) < count - 1:
    raise InputError(
      f"data.num_conditions: {count} views asked of a clip of {frames}; lower"
      " it or drop short scenes"
    )
  if count == 1:
    return np.array([reference])
  drawn = others[rng.choice(len(others), size=count - 1, replace=False)]
  return np.array([reference, *drawn])


def _check(good: bool, field: str, value: Any) -> None:
  if not good:
    raise InputError(f"data.view_sampler.{field}: {value!r} is not valid")
