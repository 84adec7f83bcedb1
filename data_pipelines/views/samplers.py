"""Settings of the view samplers, what they need of a clip, a whole choice."""

import dataclasses
from typing import Any

import numpy as np

from data_pipelines.views import draws
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError

_TEST_GAP = 8  # release: unbounded sampler outside training


@dataclasses.dataclass(frozen=True)
class ViewChoice:
  """Frame numbers of one example.

  context [Nc] sorted; target [F] frames in the order of `latents` [L], clip
  after clip; condition [Nk], the first is one of the context frames.
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
  num_targets: target latents of a clip; gap: latents between chunk starts.
  target_clips: clips of targets that a scene is trained on, each of its own
    share of the clip (or interval): they have no latent in common.
  chunks, chunk_probability: targets are `chunks` runs of latents with this
    probability, else one run.
  full_range, uneven: see draws.target_runs.
  context: "farthest_point" or "uniform".
  initial_context_gap, final_context_gap: (min, max) frames between the first
    and the last context frame, moving linearly over warmup_steps (bounded);
    both are cut to what a clip has.
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
  uneven: bool = False
  context: str = "farthest_point"
  initial_context_gap: tuple[int, int] | None = None
  final_context_gap: tuple[int, int] = (64, 96)
  warmup_steps: int = 0
  initial_margin: int | None = None
  margin: int = 0
  margin_warmup_steps: int = 0
  target_clips: int = 1

  @classmethod
  def from_config(cls, data: Any) -> "ViewSampler":
    """From the `data` section of a configuration."""
    section = dict(data.view_sampler.items())
    shared = ("num_context", "num_targets", "num_conditions")
    known = {field.name for field in dataclasses.fields(cls)}
    known -= {*shared, "grouping", "uneven", "target_clips"}
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
    clips = data.get("target_clips") or 1
    return cls(**section, **fields, grouping=grouping, target_clips=clips)

  def __post_init__(self):
    limits = [self._gaps(step) for step in (0, self.warmup_steps)]
    for field, good in {
      "name": self.name in ("unbounded", "bounded"),
      "context": self.context in ("farthest_point", "uniform"),
      "chunks": self.chunks >= 1,
      "gap": self.gap >= 1,
      "final_context_gap": all(low <= high for low, high in limits),
    }.items():
      if not good:
        raise InputError(
          f"data.view_sampler.{field}: {getattr(self, field)!r} is not valid"
        )
    if self.num_targets % self.chunks and not self.uneven:
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

  @property
  def all_targets(self) -> int:
    """Target latents of all clips."""
    return self.num_targets * self.target_clips

  @property
  def warm_step(self) -> int:
    """A step at which no limit moves any more."""
    return max(self.warmup_steps, self.margin_warmup_steps)

  def check_frames(self, frames: int) -> None:
    """InputError unless every draw of a clip of so many frames is sound."""
    available = self.grouping.latents(frames)
    needs = (
      ("num_context", self.num_context, frames, "frames"),
      ("num_conditions", self.num_conditions, frames, "frames"),
      ("num_targets", self.all_targets, available, "latents"),
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
    ends = (0, self.warm_step)
    width = min(self.context_gap(step, frames)[0] for step in ends)
    margin = min(self._margin(step) for step in ends)
    left = np.arange(frames - width)
    first, end = self._latents(left, left + width, margin, frames)
    fewest = int(np.min(end - first))
    if fewest < self.all_targets or width + 1 < self.num_context:
      raise InputError(
        f"data.view_sampler.initial_context_gap: an interval of {width + 1}"
        f" frames ({fewest} latents) cannot hold data.num_targets="
        f"{self.all_targets} and data.num_context={self.num_context}; widen it,"
        " or leave the scene out"
      )

  def sample(
    self,
    rng: np.random.Generator,
    extrinsics: np.ndarray,
    step: int = 0,
    *,
    train: bool = True,
  ) -> ViewChoice:
    """Draws the frames of one example of a clip that check_frames accepts.

    Args:
      rng: source of randomness.
      extrinsics: [T, 4, 4] of all frames of the clip.
      step: training step, for the limits that warm up.
      train: False takes the widest limits and one run of targets.
    """
    frames, gap = len(extrinsics), self.gap
    if self.name == "unbounded":
      interval = (0, self.grouping.latents(frames))
      if not train and not self.grouping.chunked:
        gap = _TEST_GAP
    else:
      low, high = self.context_gap(step if train else None, frames)
      width = high
      if train and low < high:
        width = int(rng.integers(low, high + 1))
      left = int(rng.integers(0, frames - width))
      margin = self._margin(step if train else None)
      ends = (left, left + width)
      interval = self._latents(*ends, margin, frames)
    split = rng.random() < self.chunk_probability and train
    chunks = self.chunks if split else 1
    how = (self.num_targets, gap, chunks, self.full_range, self.uneven)
    runs = [
      run
      for share in self._shares(interval, self.target_clips if train else 1)
      for run in draws.target_runs(rng, share, *how)
    ]
    views = (rng, extrinsics, self.num_context, self.context)
    if self.name == "unbounded":
      context = draws.spread_context(*views)
    else:
      context = draws.interval_context(*views, ends)
    return ViewChoice(
      context,
      np.concatenate([np.arange(*self.grouping.span(*run)) for run in runs]),
      np.concatenate([np.arange(*run) for run in runs]),
      draws.conditions(rng, context, frames, self.num_conditions),
    )

  def context_gap(self, step: int | None, frames: int) -> tuple[int, int]:
    """(min, max) frames between the outer context frames; step None: last."""
    low, high = self._gaps(step)
    return min(low, frames - 1), min(high, frames - 1)

  def _shares(
    self, interval: tuple[int, int], count: int
  ) -> list[tuple[int, int]]:
    """Equal parts of an interval of latents, of whole units."""
    first, end = interval
    size = (end - first) // count // self.grouping.unit_latents
    size *= self.grouping.unit_latents
    starts = [first + size * n for n in range(count)]
    return list(zip(starts, [*starts[1:], end], strict=True))

  def _gaps(self, step: int | None) -> tuple[int, int]:
    final = self.final_context_gap
    low, high = (
      _warm(*ends, step, self.warmup_steps)
      for ends in zip(self.initial_context_gap or final, final, strict=True)
    )
    return low, high

  def _margin(self, step: int | None) -> int:
    """Frames by which targets may leave the context interval."""
    initial = (
      self.margin if self.initial_margin is None else self.initial_margin
    )
    return _warm(initial, self.margin, step, self.margin_warmup_steps)

  def _latents(self, left: Any, right: Any, margin: int, frames: int) -> Any:
    """First target latent, and their end, of an interval (or of many)."""
    ends = np.maximum(left - margin, 0), np.minimum(right + margin, frames - 1)
    return [
      self.grouping.frame_to_latent(f) // self.gap * self.gap for f in ends
    ]


def _warm(initial: int, final: int, step: int | None, steps: int) -> int:
  """Linear from initial to final over `steps`, then final (step None)."""
  if step is None or step >= steps:
    return final
  return min(initial + int((final - initial) * step / steps), final)
