"""A renderer of average velocities goes from level to level by one of them."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.configs import rooms
from scenetok_jax.flow.path import euler_step
from scenetok_jax.flow.timesteps import model_interval, model_timestep
from scenetok_jax.model import build, init_stage1
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import render_latents, render_schedule
from scenetok_jax.sampling.video import VideoProgram, render_video
from tests import networks
from tests.sampling.models import tokens

LATENTS = 8  # two windows of 6 that share 4


@functools.cache
def few_step():
  """(model, parameters, options): windows overlap, unlike rooms'."""
  config = rooms.get_config("few_step,smoke")
  config.sampling.update({"overlap": 4, "shift": 3.0})
  model = build(config)
  params = networks.drawn(lambda key: init_stage1(model, key))
  return model, params, RenderOptions.of(config.sampling)


def inputs(model):
  shape = (1, LATENTS, *model.latent_shape(model.target_codec))
  return (
    tokens(model, 1),
    networks.cameras(3, 1, LATENTS),
    networks.normals(5, *shape),
  )


def naive(steps, solver):
  """Every step of every window on its own."""
  model, params, options = few_step()
  scene, cameras, x = inputs(model)
  plan = render_schedule(dataclasses.replace(options, steps=steps), LATENTS)

  @networks.quick_jit
  def velocity(x, t, start, cameras):
    return model.decoder.apply(
      {"params": params["decoder"]},
      *(x, model_timestep(t), cameras, scene),
      interval=model_interval(t - start),
    )

  for g, (now, after) in enumerate(itertools.pairwise(plan.levels)):
    window = np.arange(plan.size) + plan.starts[g]
    t, t_next = now[window][None], after[window][None]
    views = jax.tree.map(lambda a, window=window: a[:, window], cameras)
    start = t_next if solver == "euler" else t
    flow = velocity(x[:, window], t, start, views)
    moved = euler_step(x[:, window], flow, t, t_next)
    x = jnp.asarray(x).at[:, window].set(moved)
  return np.asarray(x)


def ours(steps, solver):
  model, params, options = few_step()
  options = dataclasses.replace(options, steps=steps, solver=solver)
  run = networks.quick_jit(
    lambda params, *arrays: render_latents(model, params, *arrays, options)
  )
  return np.asarray(run(params, *inputs(model)))


@pytest.mark.parametrize("steps", [1, 2])
def test_a_step_goes_along_the_average_to_the_next_level(steps):
  with jax.default_matmul_precision("highest"):
    found = ours(steps, "euler")
    networks.assert_same({"x": found}, {"x": naive(steps, "euler")})
    # dpm2's first and last steps are Euler's along the velocity at a level.
    level = ours(steps, "dpm2")
    networks.assert_same({"x": level}, {"x": naive(steps, "dpm2")})
  assert np.abs(found - level).max() > 1e-2


def test_videos_take_one_step_or_two():
  model, params, options = few_step()
  scene, cameras, _ = inputs(model)
  program = VideoProgram(model, options)
  videos = [
    render_video(
      *(program, params, scene, cameras, jax.random.key(0)),
      options=dataclasses.replace(options, steps=steps),
    )
    for steps in (1, 2)
  ]
  assert videos[0].shape == videos[1].shape == (1, 1, LATENTS, 64, 64, 3)
  assert np.abs(videos[0].astype(int) - videos[1]).max() > 2
