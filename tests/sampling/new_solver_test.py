"""A solver added as one entry renders videos and generates tokens."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.flow.path import euler_step
from scenetok_jax.flow.solvers import (
  SOLVERS,
  Solver,
  get_solver,
  integrate,
  linear_levels,
)
from scenetok_jax.sampling.generate import TokenProgram, sample_tokens
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.video import VideoProgram, render_video
from tests import networks
from tests.sampling.generate_test import scene_condition
from tests.sampling.models import tiny, tiny_config, tokens


def midpoint(velocity, state, step):
  middle = (step.t + step.t_next) / 2
  half = euler_step(state.x, velocity(state.x, step.t), step.t, middle)
  flow = velocity(half, middle)
  return state._replace(x=euler_step(state.x, flow, step.t, step.t_next))


@pytest.fixture(autouse=True)
def entry(monkeypatch):
  solver = Solver(midpoint, evaluations=lambda steps: 2 * steps)
  monkeypatch.setitem(SOLVERS, "midpoint", solver)


def test_it_integrates():
  def error(name, steps):
    solver = get_solver(name)
    table = solver.steps(np.asarray(linear_levels(steps)))
    end = integrate(solver, lambda x, t: -x, jnp.ones(1), table)
    return abs(float(end[0]) - np.e)

  assert error("midpoint", 20) < error("midpoint", 10) / 3.5
  assert error("midpoint", 20) < error("euler", 20) / 10


def test_it_renders():
  model, params = tiny()
  videos = {}
  for name in ("euler", "midpoint"):
    options = RenderOptions.of(tiny_config().sampling)
    options = dataclasses.replace(options, solver=name)
    videos[name] = render_video(
      VideoProgram(model, options),
      params,
      tokens(model, 1),
      networks.cameras(3, 1, 8),
      jax.random.key(3),
    ).astype(int)
  assert np.abs(videos["midpoint"] - videos["euler"]).max() > 2


def test_it_generates():
  model, params = tiny("generator")
  options = GenerateOptions.of(tiny_config("generator").generation)
  found = {}
  for name in ("euler", "midpoint"):
    changed = dataclasses.replace(options, solver=name)
    found[name] = sample_tokens(
      TokenProgram(model, changed),
      params,
      scene_condition(model),
      tokens(model, 2),
      changed,
    )
  assert np.isfinite(found["midpoint"]).all()
  assert np.abs(found["midpoint"] - found["euler"]).max() > 1e-4
