"""Sliding-window schedules: what every schedule owes, and what is refused."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from scenetok_jax.flow import timesteps, windows
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case

_SETTINGS = st.fixed_dictionaries(
  {
    "sampler": st.sampled_from(windows.SAMPLERS),
    "horizon": st.integers(1, 20),
    "steps": st.integers(1, 8),
    "window": st.integers(1, 12),
    "overlap": st.integers(0, 12),
    "uncertainty_scale": st.integers(0, 9),
  }
)


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(settings=_SETTINGS)
def test_every_schedule_ends_clean_and_only_works_inside_its_window(settings):
  try:
    plan = windows.schedule(**settings)
  except InputError:
    return
  horizon, size = settings["horizon"], plan.size
  assert size == min(settings["window"], horizon)
  assert plan.levels.shape == plan.mask.shape == (plan.steps + 1, horizon)
  assert (plan.levels[0] == 1).all() and (plan.levels[-1] == 0).all()
  change = np.diff(plan.levels, axis=0)
  assert (change <= 0).all()
  # One row is at most one denoising step for a latent.
  assert (change >= -1 / settings["steps"] - 1e-6).all()
  assert (np.diff(plan.starts) >= 0).all()
  for start, row in zip(plan.starts, plan.mask, strict=True):
    np.testing.assert_array_equal(np.flatnonzero(row), start + np.arange(size))


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(
  settings=_SETTINGS.filter(lambda s: s["sampler"] != "pyramid")
)
def test_fewer_clean_latents_than_the_window_always_end(settings):
  ends = (
    settings["overlap"] < settings["window"]
    or settings["horizon"] <= settings["window"]
  )
  if not ends:
    with pytest.raises(InputError, match="never ends"):
      windows.schedule(**settings)
    return
  plan = windows.schedule(**settings)
  # Latents change only while they are inside the window that is sampled.
  moved = np.diff(plan.levels, axis=0) != 0
  assert not (moved & ~plan.mask[:-1]).any()


def test_full_sequence_reuses_clean_latents_as_context():
  plan = windows.schedule("full_sequence", 32, 25, 8, 4)
  assert plan.steps == 175
  np.testing.assert_array_equal(np.unique(plan.starts), range(0, 25, 4))
  second = plan.levels[25]
  np.testing.assert_array_equal(second, [0] * 8 + [1] * 24)
  np.testing.assert_array_equal(plan.levels[26, 8:12], np.float32(24 / 25))


def test_192_frames_take_eleven_windows_and_275_steps():
  plan = windows.schedule("full_sequence", 48, 25, 8, 4)
  assert plan.steps == 275
  starts = np.unique(plan.starts)
  np.testing.assert_array_equal(starts, range(0, 41, 4))
  assert len(starts) == 11
  # Each window after the first renders four latents beside four clean ones.
  for number, start in enumerate(starts[1:], 1):
    first = plan.levels[25 * number, start : start + 8]
    np.testing.assert_array_equal(first, [0] * 4 + [1] * 4)


def test_one_window_takes_as_many_steps_as_asked():
  plan = windows.schedule("full_sequence", 8, 25, 8, 4)
  assert plan.steps == 25 and plan.mask.all()
  np.testing.assert_allclose(
    plan.levels[:, 0], np.linspace(1, 0, 26), atol=1e-6
  )


def test_autoregressive_finishes_one_latent_before_the_next():
  plan = windows.schedule("autoregressive", 3, 2, 2, 1)
  np.testing.assert_allclose(
    plan.levels,
    [
      [1, 1, 1],
      [0.5, 1, 1],
      [0, 1, 1],
      [0, 0.5, 1],
      [0, 0, 1],
      [0, 0, 0.5],
      [0, 0, 0],
    ],
  )
  np.testing.assert_array_equal(plan.starts, [0, 0, 0, 0, 1, 1, 1])


def test_pyramid_lags_by_its_uncertainty():
  plan = windows.schedule("pyramid", 3, 4, 3, 0, uncertainty_scale=2)
  np.testing.assert_allclose(
    4 * plan.levels[:5], [[4, 4, 4], [3, 4, 4], [2, 3, 4], [1, 2, 3], [0, 1, 2]]
  )


def test_given_latents_stay_clean():
  plan = windows.schedule("full_sequence", 6, 3, 4, 2, clean_indices=(0, 5))
  assert (plan.levels[:, [0, 5]] == 0).all()
  done = windows.schedule("full_sequence", 2, 3, 4, 2, clean_indices=(0, 1))
  assert done.steps == 0


@pytest.mark.parametrize(
  "sampler, horizon, steps, window, overlap, lag",
  [
    ("full_sequence", 16, 7, 4, 4, None),
    ("full_sequence", 16, 7, 4, 6, None),
    ("autoregressive", 9, 2, 5, 5, None),
    ("pyramid", 7, 4, 3, 0, 1),
    ("pyramid", 16, 2, 4, 8, 1),
  ],
)
def test_endless_settings_are_refused(
  sampler, horizon, steps, window, overlap, lag
):
  with pytest.raises(InputError, match="never ends"):
    windows.schedule(
      sampler, horizon, steps, window, overlap, uncertainty_scale=lag
    )


@pytest.mark.parametrize(
  "change",
  [
    {"sampler": "random"},
    {"sampler": "pyramid"},
    {"horizon": 0},
    {"steps": 0},
    {"window": 0},
    {"overlap": -1},
    {"clean_indices": (8,)},
  ],
)
def test_senseless_settings_are_refused(change):
  settings = {
    "sampler": "full_sequence",
    "horizon": 8,
    "steps": 4,
    "window": 4,
    "overlap": 2,
  }
  with pytest.raises(InputError):
    windows.schedule(**{**settings, **change})


def _plan(run) -> windows.WindowSchedule:
  sampler = run["sampler"]
  return windows.schedule(
    sampler["name"],
    run["horizon"],
    run["steps"],
    run["concurrency"],
    sampler["clean_targets"],
    uncertainty_scale=sampler.get("uncertainty_scale"),
    clean_indices=tuple(run["cond_mask_indices"] or ()),
    overlap_override=run["clean_targets_argument"],
  )


def test_matches_release_schedules():
  case = load_case("samplers")
  for run in case.config["runs"]:
    if run["status"] == "endless":
      with pytest.raises(InputError, match="never ends"):
        _plan(run)
      continue
    plan, expected = _plan(run), case.run(run["prefix"], "outputs")
    np.testing.assert_array_equal(plan.levels, expected["matrix"])
    np.testing.assert_array_equal(plan.mask, expected["mask"])
    if "shifted_matrix" in expected:
      shifted = timesteps.shift(plan.levels, run["shift"])
      assert_close(shifted, expected["shifted_matrix"], 1e-6)
