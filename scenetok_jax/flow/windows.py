"""Schedules of sliding-window sampling: which latent is denoised when.

A schedule is a table of noise levels, one row per global step and one column
per latent of the video. At every step the model sees one window of
consecutive latents; latents that an earlier window finished serve as clean
context. Everything here is NumPy on integers, computed before sampling.
"""

import dataclasses

import numpy as np

from scenetok_jax.types import InputError, check_known


@dataclasses.dataclass(frozen=True)
class WindowSchedule:
  """Noise levels and windows of every global step.

  levels: [G + 1, h] float32 in [0, 1]; row g is the state before step g.
  mask: [G + 1, h] bool; row g is the window of step g.
  starts: [G + 1] int32, first latent of each window.
  size: latents in every window.
  """

  levels: np.ndarray
  mask: np.ndarray
  starts: np.ndarray
  size: int

  @property
  def steps(self) -> int:
    """Number of global steps G."""
    return len(self.levels) - 1


@dataclasses.dataclass
class _State:
  """Levels counted down from `steps` as integers, the window and its rules.

  trigger: clean latents in a window that make a pyramid's move.
  """

  levels: np.ndarray
  steps: int
  window: int
  overlap: int
  lag: int
  trigger: int
  start: int = 0
  moved: bool = False

  def key(self) -> tuple[bytes, int, bool]:
    return self.levels.tobytes(), self.start, self.moved

  def move(self, by: int) -> None:
    self.start += by
    self.moved = True

  def move_when_clean(self) -> None:
    """Slides a finished window, keeping `overlap` latents as context."""
    if not self.levels[self.start : self.start + self.window].any():
      self.move(self.window - self.overlap)


def _full_sequence(state: _State) -> None:
  """All latents up to the window's end go down together."""
  reach = state.levels[: state.start + state.window]
  np.maximum(reach - 1, 0, out=reach)
  state.move_when_clean()


def _autoregressive(state: _State) -> None:
  """One latent at a time."""
  first = int(np.flatnonzero(state.levels)[0])
  if first < state.start + state.window:
    state.levels[first] -= 1
  state.move_when_clean()


def _pyramid(state: _State) -> None:
  """Each latent follows its predecessor by `lag` steps."""
  levels, lag = state.levels, state.lag
  for i in range(min(len(levels), state.start + state.window)):
    # A move lets one latent start early; the first to go down uses it up.
    if i and not (levels[i - 1] <= state.steps - lag or state.moved):
      continue
    levels[i] -= 1
    state.moved = state.moved and i == 0
  np.maximum(levels, 0, out=levels)
  inside = levels[state.start : state.start + state.window]
  if lag > 0 and np.sum(inside == 0) == state.trigger:
    state.move(1)
  elif lag in (0, state.steps):
    state.move_when_clean()


_STEP = {
  "full_sequence": _full_sequence,
  "autoregressive": _autoregressive,
  "pyramid": _pyramid,
}
SAMPLERS = tuple(_STEP)


def schedule(
  sampler: str,
  horizon: int,
  steps: int,
  window: int,
  overlap: int,
  *,
  uncertainty_scale: int | None = None,
  clean_indices: tuple[int, ...] = (),
  overlap_override: int | None = None,
) -> WindowSchedule:
  """Builds the schedule of one video.

  Noise levels are evenly spaced; apply `flow.timesteps.shift` to `levels`
  where the configuration asks for it.

  sampler: "full_sequence" (a window is denoised together), "autoregressive"
    (latent after latent) or "pyramid" (each latent lags behind the last).
  horizon: latents h of the video. steps: denoising steps S of one latent.
  window: latents per window (concurrency). overlap: finished latents that a
    window keeps from the one before.
  uncertainty_scale: pyramid only: the lag in steps. clean_indices: latents
    that are clean from the start.
  overlap_override: replaces `overlap` for moving windows; the pyramid's own
    test of when to move goes on using `overlap`, as in the release.

  The last row of levels is zero. InputError on bad settings, or settings that
  would never end.
  """
  lag = uncertainty_scale
  kept = overlap if overlap_override is None else overlap_override
  check_known(sampler, SAMPLERS, "sampling.sampler")
  if min(horizon, steps, window) < 1 or overlap < 0:
    raise InputError(
      f"sampling: horizon {horizon}, steps {steps} and window {window} must be"
      f" at least 1, overlap {overlap} at least 0"
    )
  if sampler == "pyramid" and (lag is None or lag < 0):
    raise InputError(
      "sampling.uncertainty_scale: pyramid needs a number of steps of at least"
      f" 0, not {lag}"
    )
  if any(not -horizon <= i < horizon for i in clean_indices):
    raise InputError(
      f"clean_indices: {clean_indices} lie outside the {horizon} latents"
    )
  levels = np.full(horizon, steps, np.int64)
  state = _State(levels, steps, window, kept, lag or 0, trigger=overlap + 1)
  state.levels[list(clean_indices)] = 0
  size = min(window, horizon)
  rows, starts = [state.levels.copy()], [0]
  while state.levels.any():
    before = state.key()
    _STEP[sampler](state)
    # A step is a function of the state: an unchanged state stays for ever.
    # A window that moves backwards never reaches the latents after it.
    stuck = state.key() == before or state.start < 0
    if stuck and state.levels.any():
      raise InputError(
        f"sampling.overlap: {sampler} with horizon {horizon}, window {window},"
        f" overlap {kept} and uncertainty_scale {lag} never ends: the window"
        " stops moving; use less overlap than the window, a window as long as"
        " the video, or another uncertainty_scale"
      )
    rows.append(state.levels.copy())
    starts.append(min(max(state.start, 0), horizon - size))
  columns = np.arange(horizon)
  begin = np.array(starts, np.int32)
  inside = (columns >= begin[:, None]) & (columns < begin[:, None] + size)
  table = np.stack(rows).astype(np.float32) / np.float32(steps)
  return WindowSchedule(table, inside, begin, size)
