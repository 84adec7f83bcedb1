"""Shift, model timestep and the training density of noise levels."""

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from scenetok_jax.flow import timesteps
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case

_GRID = np.linspace(0, 1, 33, dtype=np.float32)


@hypothesis.given(s=st.floats(0.1, 20))
def test_shift_is_monotone_keeps_the_ends_and_inverts(s):
  grid = _GRID.astype(np.float64)
  shifted = timesteps.shift(grid, s)
  assert shifted[0] == 0 and shifted[-1] == pytest.approx(1, abs=1e-12)
  assert (np.diff(shifted) > 0).all()
  np.testing.assert_allclose(timesteps.shift(shifted, 1 / s), grid, atol=1e-12)


def test_shift_of_one_changes_nothing_and_keeps_float32():
  np.testing.assert_array_equal(timesteps.shift(_GRID, 1.0), _GRID)
  assert timesteps.shift(_GRID, 4.0).dtype == np.float32


def test_model_timestep_runs_from_zero_to_999():
  steps = timesteps.model_timestep(np.array([0, 0.0005, 0.001, 0.5, 1]))
  np.testing.assert_allclose(steps, [0, 0, 0, 499, 999], atol=1e-4)


@pytest.mark.parametrize("weighting", timesteps.WEIGHTINGS)
@pytest.mark.parametrize(
  "sampling, distinct",
  [
    ("random_uniform", 1),
    ("random_chunked_uniform", 2),
    ("random_independent", 8),
  ],
)
def test_levels_have_the_promised_pattern(weighting, sampling, distinct):
  levels = timesteps.sample_noise_levels(
    jax.random.key(0),
    64,
    8,
    weighting=weighting,
    shift=4.0,
    sampling=sampling,
    chunks=2,
  )
  assert levels.shape == (64, 8) and levels.dtype == np.float32
  assert (levels >= 0).all() and (levels <= 1).all()
  assert all(len(np.unique(row)) == distinct for row in np.asarray(levels))
  runs = np.asarray(levels).reshape(64, distinct, -1)
  assert (runs == runs[:, :, :1]).all()


def test_uniform_probability_is_the_share_of_scenes_with_one_level():
  levels = timesteps.sample_noise_levels(
    jax.random.key(1),
    4000,
    4,
    weighting="logit_normal",
    sampling="random_independent",
    uniform_probability=0.2,
  )
  share = np.mean(np.ptp(np.asarray(levels), axis=1) == 0)
  assert share == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
  "weighting, median",
  [("uniform", 0.5), ("logit_normal", 0.5), ("shifted", 0.8)],
)
def test_levels_follow_their_density(weighting, median):
  levels = timesteps.sample_noise_levels(
    jax.random.key(2), 20000, 1, weighting=weighting, shift=4.0
  )
  assert np.median(levels) == pytest.approx(median, abs=0.01)
  spread = {"uniform": 0.289, "logit_normal": 0.208, "shifted": 0.255}
  assert np.std(levels) == pytest.approx(spread[weighting], abs=0.01)


def test_same_key_same_levels():
  draw = [
    timesteps.sample_noise_levels(
      jax.random.key(3), 4, 4, weighting="uniform", uniform_probability=0.2
    )
    for _ in range(2)
  ]
  np.testing.assert_array_equal(*draw)


def test_training_levels_have_the_mean_and_deviation_of_their_logits():
  levels = timesteps.sample_noise_levels(
    jax.random.key(0), 4000, 1, weighting="logit_normal", mean=0.7,
    deviation=0.4,
  )  # fmt: skip
  logits = np.log(levels / (1 - levels))
  assert abs(logits.mean() - 0.7) < 0.03 and abs(logits.std() - 0.4) < 0.02


@pytest.mark.parametrize(
  "change",
  [
    {"weighting": "cosine"},
    {"sampling": "random"},
    {"sampling": "random_chunked_uniform", "chunks": 3},
    {"sampling": "random_chunked_uniform", "chunks": 0},
  ],
)
def test_unknown_settings_are_refused(change):
  with pytest.raises(InputError):
    timesteps.sample_noise_levels(
      jax.random.key(0), 2, 8, **{"weighting": "uniform", **change}
    )


@pytest.mark.parametrize("name", ["rectified_flow", "rectified_flow_mu_sigma"])
def test_matches_release_levels(name):
  case = load_case(name)
  for i, factor in enumerate(case.config["shifts"]):
    shifted = timesteps.shift(case.inputs["t_grid"], factor)
    assert_close(shifted, case.outputs[f"shifted_grid_{i}"], 1e-6)
  for i, (weighting, mean, deviation, factor) in enumerate(
    case.config["noise_levels"]
  ):
    draws = "normals" if weighting == "logit_normal" else "uniforms"
    levels = timesteps.noise_levels(
      case.inputs[draws], weighting, factor, mean, deviation
    )
    assert_close(levels, case.outputs[f"noise_level_{i}"], 1e-6)
  for t, expected in (
    ("t", "model_timestep"),
    ("t_grid", "model_timestep_grid"),
  ):
    steps = timesteps.model_timestep(case.inputs[t])
    assert_close(steps, case.outputs[expected], 1e-6)
