"""Solvers: exact paths, order of convergence, and what each looks at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.flow import path, solvers, timesteps
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case


def integrate(velocity, x, levels, solver="euler"):
  solver = solvers.get_solver(solver)
  return solvers.integrate(solver, velocity, x, solver.steps(levels))


def _pair():
  x, noise = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
  return x, noise


def test_straight_paths_are_solved_exactly_in_any_number_of_steps():
  x, noise = _pair()
  for steps in (1, 3, 25):
    levels = timesteps.shift(solvers.linear_levels(steps), 4.0)
    solution = integrate(lambda _, t: noise - x, noise, levels)
    np.testing.assert_allclose(solution, x, atol=1e-5)


def test_linear_levels_run_from_one_to_zero():
  levels = np.asarray(solvers.linear_levels(150))
  assert levels.shape == (151,) and levels[0] == 1 and levels[-1] == 0
  np.testing.assert_allclose(np.diff(levels), -1 / 150, atol=1e-6)


def test_velocity_sees_every_level_but_the_last():
  levels = solvers.linear_levels(4)

  def velocity(x, t):
    return jnp.full_like(x, t)

  # Sum over steps of (t_next - t) * t.
  end = integrate(velocity, jnp.zeros(2), levels)
  np.testing.assert_allclose(end, -0.25 * (1 + 0.75 + 0.5 + 0.25))


def test_levels_per_latent_move_each_latent_on_its_own():
  x, noise = _pair()
  levels = np.stack([[1.0, 1.0, 0.0, 0.5]] * 3, 0)
  levels = np.stack([levels, 0 * levels])  # [S + 1, B, L]
  start = path.interpolate(x, noise, levels[0])
  end = integrate(lambda _, t: noise - x, start, levels)
  np.testing.assert_allclose(end, x, atol=1e-6)
  np.testing.assert_array_equal(end[:, 2], start[:, 2])


def test_more_steps_approach_the_exact_solution():
  def error(steps):
    levels = solvers.linear_levels(steps)
    end = integrate(lambda x, t: -x, jnp.ones(1), levels)
    return abs(float(end[0]) - np.e)

  assert error(400) < error(100) / 3.5 < error(25) / 12


def test_guidance_extrapolates_from_unconditional_to_conditional():
  one, zero = jnp.ones(3), jnp.zeros(3)
  for scale in (0.0, 1.0, 3.0):
    np.testing.assert_array_equal(solvers.guide(one, zero, scale), scale)


def test_matches_release_levels():
  case = load_case("rectified_flow")
  steps = case.config["ctor_steps"]
  for i, factor in enumerate(case.config["shifts"]):
    levels = timesteps.shift(solvers.linear_levels(steps), factor)
    assert_close(levels, case.outputs[f"constructor_timesteps_{i}"], 1e-6)
  levels = solvers.linear_levels(case.config["inference_steps"])
  assert_close(levels, case.outputs["set_timesteps"], 1e-6)


def _gaussian(solver, steps):
  """Error of a solver where the data is N(0, 0.3^2): the end is 0.3 x."""
  deviation = 0.3

  def velocity(x, t):
    t = jnp.reshape(t, (-1, 1))
    variance = ((1 - t) * deviation) ** 2 + t**2
    return x * (t - (1 - t) * deviation**2) / variance

  start = jnp.array([[1.0, -2.0], [0.5, 3.0]])
  levels = np.stack([np.asarray(solvers.linear_levels(steps))] * 2, axis=-1)
  end = integrate(velocity, start, levels, solver)
  return float(jnp.max(jnp.abs(end - deviation * start)))


def test_better_solvers_converge_faster():
  euler, heun, dpm2 = (
    _gaussian(name, 24) for name in ("euler", "heun", "dpm2")
  )
  assert heun < euler / 4
  assert dpm2 < euler / 4
  for name in ("heun", "dpm2"):
    # Second order: a sixteenth of the error at four times the steps.
    assert _gaussian(name, 192) < _gaussian(name, 48) / 8


def test_the_first_and_last_step_and_resting_latents_look_not_back():
  falling = np.array([1.0, 0.75, 0.5, 0.25, 0.0])
  resting = np.array([1.0, 1.0, 1.0, 0.5, 0.0])
  levels = np.stack([falling, resting], axis=-1)
  weights = solvers.SOLVERS["dpm2"].steps(levels).weight
  assert np.isfinite(weights).all()
  # Step 1 follows one from pure noise, which is infinitely long.
  assert (weights[:, 0] != 0).tolist() == [False, False, True, False]
  assert not weights[:, 1].any()
  assert not solvers.SOLVERS["euler"].steps(levels).weight.any()


def test_heun_ends_without_noise_and_looks_once_there():
  asked = []

  def velocity(x, t):
    asked.append(t)
    return (x - 2.0) / jnp.maximum(t[:, None], 1e-3)  # all data is 2

  x = jnp.array([[5.0], [5.0]])
  t, t_next = jnp.array([1.0, 1.0]), jnp.array([0.0, 0.5])
  heun = solvers.SOLVERS["heun"]
  step = solvers.SolverStep(t, t_next, 0 * t)
  with jax.disable_jit():
    end = heun.step(velocity, heun.start(x), step).x
    assert len(asked) == heun.evaluations(2) - 1
    np.testing.assert_allclose(end[:, 0], [2.0, 3.5], atol=1e-6)
    heun.step(velocity, heun.start(x), step._replace(t_next=0 * t))
  assert len(asked) == 3


def test_an_unknown_solver_is_named():
  with pytest.raises(InputError, match="solver: 'rk4' is not one of"):
    solvers.get_solver("rk4")
