"""Reusing what the tokens decide gives the naive loop's video."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.flow.path import euler_step
from scenetok_jax.flow.solvers import guide
from scenetok_jax.flow.timesteps import model_timestep
from scenetok_jax.flow.windows import schedule
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import render_latents, render_schedule
from scenetok_jax.sampling.velocity import embed_path
from scenetok_jax.sampling.window import embeddable
from scenetok_jax.types import InputError
from tests import networks
from tests.sampling.models import tiny, tiny_config, tokens

OPTIONS = RenderOptions.of(tiny_config().sampling)
LATENTS = 8  # two windows of 6 that share 4
SCENES = 2


@pytest.fixture(scope="module")
def job():
  """(model, params, tokens, cameras, noise)."""
  model, params = tiny()
  shape = (SCENES, LATENTS, *model.latent_shape(model.target_codec))
  return (
    model,
    params,
    tokens(model, SCENES),
    networks.cameras(3, SCENES, LATENTS),
    networks.normals(5, *shape),
  )


def naive(job, options):
  """One jitted call after the other; everything is computed every time."""
  model, params, scene, cameras, x = job
  plan = render_schedule(options, LATENTS)

  @networks.quick_jit
  def step(x, t, t_next, cameras):
    flow, null = (
      model.decoder.apply(
        {"params": params["decoder"]},
        x,
        model_timestep(t),
        cameras,
        scene,
        unconditional,
      )
      for unconditional in (False, True)
    )
    return euler_step(x, guide(flow, null, options.guidance), t, t_next)

  for g, (now, after) in enumerate(itertools.pairwise(plan.levels)):
    window = np.arange(plan.size) + plan.starts[g]
    levels = (np.tile(row[window], (SCENES, 1)) for row in (now, after))
    views = jax.tree.map(lambda a, window=window: a[:, window], cameras)
    x = jnp.asarray(x).at[:, window].set(step(x[:, window], *levels, views))
  return x


def ours(job, **options):
  model, params, *arrays = job
  options = dataclasses.replace(OPTIONS, **options)
  run = networks.quick_jit(
    lambda params, *arrays: render_latents(model, params, *arrays, options)
  )
  return run(params, *arrays)


@pytest.mark.parametrize(
  "changes",
  [
    {"guidance": 1.0},
    {"guidance": 2.5},
    {"sampler": "autoregressive"},
    {"sampler": "pyramid", "uncertainty_scale": 2},
  ],
  ids=str,
)
def test_reuse_is_exact(job, changes):
  with jax.default_matmul_precision("highest"):
    networks.assert_same(
      {"x": np.asarray(ours(job, **changes))},
      {"x": np.asarray(naive(job, dataclasses.replace(OPTIONS, **changes)))},
    )


def test_pyramid_reads_its_lag_from_the_configuration():
  config = tiny_config().sampling
  config.sampler = "pyramid"
  with pytest.raises(InputError, match=r"sampling.uncertainty_scale: .* None"):
    render_schedule(RenderOptions.of(config), LATENTS)
  config.uncertainty_scale = 3
  plan = render_schedule(RenderOptions.of(config), LATENTS)
  # A latent starts in the third step of the one before.
  started = np.argmax(plan.levels < 1, axis=0)
  np.testing.assert_array_equal(started[:3], [1, 3, 5])


def test_guidance_acts_inside_its_interval_only(job):
  with jax.default_matmul_precision("highest"):
    guided = np.asarray(ours(job, guidance=2.5))
    plain = np.asarray(ours(job, guidance=1.0))
    # Every level that moves lies above 0.1; none between 0 and 0.01.
    all_of_it = ours(job, guidance=2.5, interval=(0.1, 1.0))
    nothing = ours(job, guidance=2.5, interval=(0.0, 0.01))
  assert np.abs(guided - plain).max() > 1e-2
  networks.assert_same({"x": np.asarray(all_of_it)}, {"x": guided})
  networks.assert_same({"x": np.asarray(nothing)}, {"x": plain})


def test_a_path_embedded_once_serves_windows_that_start_on_chunks():
  model, _ = tiny()
  plan = schedule("full_sequence", 15, 2, 10, 5)
  assert embeddable(model, plan)
  codec = dataclasses.replace(model.target_codec, grouping=Grouping(4, True))
  chunked = dataclasses.replace(model, target_codec=codec)
  assert embeddable(chunked, plan)
  assert not embeddable(chunked, schedule("autoregressive", 12, 2, 10, 4))


def test_an_embedded_path_equals_the_embedding_of_its_parts():
  model, params = tiny()
  cameras = networks.cameras(1, 1, 4)
  run = networks.quick_jit(
    lambda cameras: embed_path(model, params, cameras).embedding
  )
  whole = run(cameras)
  part = run(jax.tree.map(lambda a: np.roll(a, -1, axis=1), cameras))
  np.testing.assert_allclose(whole[:, 1:], part[:, :-1], atol=1e-6)
