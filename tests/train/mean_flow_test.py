"""Tuning a renderer to average velocities: where it starts, what it learns."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from scenetok_jax.convert.fitting import take_fitting
from scenetok_jax.flow import path
from scenetok_jax.flow.timesteps import model_interval, model_timestep
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, build, init_stage1, tokenize
from scenetok_jax.train.tokenizer_noise import StepNoise, sample_noise
from scenetok_jax.train.tokenizer_task import loss_from_noise, tokenizer_task
from scenetok_jax.types import InputError, Views
from scenetok_jax.workdir.config import load_config
from tests import networks

SCENES = 3
LEVELS = np.array([0.9, 0.5, 0.7], np.float32)
STARTS = np.array([0.4, 0.5, 0.0], np.float32)


@dataclasses.dataclass(frozen=True)
class Job:
  """rooms:few_step at a small size, drawn parameters, one batch."""

  config: ConfigDict
  model: Model
  params: Any
  context: Views
  target: Views

  @classmethod
  def small(cls):
    config = load_config("rooms:few_step,smoke")
    model = build(config)
    context, target = (
      Views(
        networks.cameras(seed, SCENES, count),
        latents=networks.normals(seed, SCENES, count, 4, 4, 48),
      )
      for seed, count in ((1, 3), (2, 6))
    )
    params = networks.drawn(lambda key: init_stage1(model, key))
    return cls(config, model, params, context, target)

  def noise(self, **changes):
    shape = self.target.latents.shape
    noise = StepNoise(
      reference=np.array([0, 2, 1]),
      unconditional=jnp.asarray(False),
      posterior=networks.normals(3, SCENES, *self.model.token_shape),
      levels=np.repeat(LEVELS[:, None], 6, axis=1),
      target=networks.normals(4, *shape),
    )
    return dataclasses.replace(noise, **changes)

  def loss(self, params, noise, power=0.0):
    config = self.config.copy_and_resolve_references()
    config.mean_flow.update({"power": power, "turns": 1e6})

    def total(params, noise):
      out = loss_from_noise(
        self.model, config, params, self.context, self.target, noise, 0
      )
      return jnp.sum(out.loss), out

    with jax.default_matmul_precision("highest"):
      run = networks.quick_jit(jax.grad(total, has_aux=True))
      return jax.device_get(run(params, noise))

  def predict(self, params, x, t, start, noise):
    """The renderer alone; on the path of `noise` from the reference view."""
    poses = self.context.cameras.extrinsics
    reference = poses[np.arange(SCENES), noise.reference]
    tokens = tokenize(
      self.model, params, self.context.latents,
      relative_to(self.context.cameras, reference),
    ).sample(noise.posterior)  # fmt: skip
    interval = {} if start is None else {"interval": model_interval(t - start)}
    return self.model.decoder.apply(
      {"params": params["decoder"]},
      *(x, model_timestep(t)),
      *(relative_to(self.target.cameras, reference), tokens),
      **interval,
    )


@pytest.fixture(scope="module")
def job():
  return Job.small()


def test_without_intervals_it_is_the_flow_loss(job):
  plain = job.noise()
  grads, expected = job.loss(job.params, plain)
  same, found = job.loss(job.params, job.noise(starts=plain.levels))
  np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)
  networks.assert_same(same, grads)
  velocity = path.velocity(job.target.latents, plain.target)
  assert 0.5 < np.mean(expected.loss / np.mean(velocity**2)) < 50
  # The tokenizer is frozen, all of the renderer learns.
  assert not any(g.any() for g in jax.tree.leaves(grads["tokenizer"]))
  networks.assert_gradients(grads["decoder"])


def test_the_target_is_the_velocity_less_the_slope_along_the_way(job):
  noise = job.noise(starts=np.repeat(STARTS[:, None], 6, axis=1))
  grads, found = job.loss(job.params, noise)
  networks.assert_gradients(grads["decoder"])
  clean, velocity = (
    job.target.latents,
    path.velocity(job.target.latents, noise.target),
  )

  def at(share):
    """The prediction at a share of the way from start to level."""
    t = noise.starts + share * (noise.levels - noise.starts)
    x = path.interpolate(clean, noise.target, t)
    return job.predict(job.params, x, t, noise.starts, noise)

  step = 1e-4  # timesteps turn by 1000 radians a level
  with jax.default_matmul_precision("highest"):
    run = networks.quick_jit(at)
    before, here, after = (run(jnp.float32(1 + d)) for d in (-step, 0, step))
  slope = (after - before) / (2 * step)
  errors = np.mean((here - velocity + slope) ** 2, axis=(1, 2, 3, 4))
  np.testing.assert_allclose(found.metrics["flow_loss"], errors, rtol=5e-3)
  # The scene without a way is taught its velocity; the others are not.
  plain = np.mean((here - velocity) ** 2, axis=(1, 2, 3, 4))
  assert np.abs(errors / plain - 1)[[0, 2]].min() > 0.02
  np.testing.assert_allclose(errors[1], plain[1], rtol=1e-5)


def test_scenes_weigh_by_their_errors(job):
  noise = job.noise(starts=np.repeat(STARTS[:, None], 6, axis=1))
  _, found = job.loss(job.params, noise, power=1.0)
  errors = found.metrics["flow_loss"]
  np.testing.assert_allclose(found.loss, errors / (errors + 1e-3), rtol=1e-5)
  assert np.ptp(errors) > 0.1


def test_it_starts_as_the_function_that_it_restores(job):
  base = load_config("rooms:smoke")
  model = build(base)
  stored = networks.drawn(lambda key: init_stage1(model, key))
  fresh = networks.quick_jit(lambda key: init_stage1(job.model, key))(
    jax.random.key(0)
  )
  part = take_fitting(fresh, stored, "base")
  assert part.missing and all(
    name.startswith("decoder/interval/") for name in part.missing
  )
  assert not part.mismatched and not part.ignored
  noise = job.noise()
  x = networks.normals(5, *job.target.latents.shape)

  def run(model, params, start):
    job_of = dataclasses.replace(job, model=model)
    with jax.default_matmul_precision("highest"):
      return networks.quick_jit(
        lambda params: job_of.predict(params, x, noise.levels, start, noise)
      )(params)

  expected = run(model, stored, None)
  found = run(job.model, part.params, 0 * noise.levels)
  networks.assert_same(found, expected, 1e-6)


def test_levels_and_starts_are_drawn_together(job):
  noise = networks.quick_jit(
    lambda key: sample_noise(
      *(job.config, key, (SCENES, 3)),
      *(job.target.latents, job.model.token_shape),
    )
  )(jax.random.key(0))
  assert noise.starts.shape == noise.levels.shape == (SCENES, 6)
  assert (noise.starts <= noise.levels).all()
  plain = load_config("rooms:smoke")
  noise = sample_noise(
    *(plain, jax.random.key(0), (SCENES, 3)),
    *(job.target.latents, job.model.token_shape),
  )
  assert noise.starts is None


def test_it_needs_a_renderer_that_knows_intervals():
  config = load_config(
    "rooms:few_step,smoke", ["--config.decoder.interval=False"]
  )
  with pytest.raises(InputError, match=r"decoder\.interval=True"):
    tokenizer_task(build(config), config)


def test_it_is_of_stage_1_and_of_published_networks_too():
  with pytest.raises(InputError, match="few_step"):
    load_config("rooms:generator,few_step")
  config = load_config("scenetok_re10k:few_step")
  assert config.decoder.interval and config.restore_partial
  assert config.train.freeze_after == 0 and config.decoder.depth == 24
