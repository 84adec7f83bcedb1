"""Stage 1's loss and gradients equal the reference's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import rearrange, repeat
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.convert.engine import export_tensors
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.flow.timesteps import noise_levels
from scenetok_jax.model import Model, build
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import path_name
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.train import shapes, tokenizer_task
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.tokenizer_noise import StepNoise
from scenetok_jax.train.tokenizer_task import loss_from_noise
from scenetok_jax.types import Cameras, Views
from scenetok_jax.workdir import fields
from scenetok_jax.workdir.config import load_config
from tests import networks
from tests.goldens import assert_close, load_case
from tests.train import reference

FREEZE_AFTER = 1000  # later than any recorded step
RUNS = ("cond_", "uncond_", "kl_", "uniform_noise_", "nocfg_")


class Reference:
  """The reference case as this package's networks, inputs and weights."""

  def __init__(self) -> None:
    self.case = load_case("train_stage1")
    config, arrays = self.case.config, self.case.inputs
    codec = get_codec("block_dct", spatial=2, channels=8)  # not called
    self.model = Model(
      tokenizer=with_fields(
        Perceiver(), **reference_config.tokenizer_fields(config)
      ),
      decoder=with_fields(
        RayConditionedDiT(),
        **reference_config.decoder_fields(config, null_token=True),
      ),
      generator=None,
      context_codec=codec,
      target_codec=codec,
      image_size=16,
      num_context=3,
      num_targets=4,
      num_conditions=0,
    )
    self.context = load_views(arrays, "context", "va_vae")
    self.target = load_views(arrays, "target", "video_dc_ae")
    self.tables = {
      "tokenizer": perceiver_table.table(self.model.tokenizer),
      "decoder": dit_table.table(self.model.decoder),
    }
    target, noise = self.target.latents, arrays["posterior_noise"]
    inputs = {
      "tokenizer": (self.context.latents, self.context.cameras),
      "decoder": (target, target[..., 0, 0, 0], self.target.cameras, noise),
    }
    self.params = {
      name: networks.reference_params(
        self.case, getattr(self.model, name), table, *inputs[name]
      )
      for name, table in self.tables.items()
    }

  def settings(self, prefix: str) -> dict:
    return next(r for r in self.case.config["runs"] if r["prefix"] == prefix)

  def noise(self, prefix: str) -> StepNoise:
    """The recorded noise of a run."""
    run, arrays = self.settings(prefix), self.case.inputs
    kwargs = run["scheduler"]["kwargs"]
    levels = noise_levels(
      np.atleast_2d(arrays[f"{prefix}timestep_draw"].T).T,
      kwargs["weighting"],
      kwargs["timestep_shift"],
    )
    latents = arrays["target_latent"].shape[1]
    return StepNoise(
      reference=arrays["reference_index"],
      unconditional=jnp.asarray(not run["conditional"]),
      posterior=arrays["posterior_noise"],
      levels=repeat(levels, "b n -> b (n l)", l=latents // levels.shape[1]),
      target=networks.channels_last(arrays["noise"]),
    )


def load_views(arrays, role, codec) -> Views:
  return Views(
    Cameras(arrays[f"{role}_extrinsics"], arrays[f"{role}_intrinsics"]),
    latents=reference.normalized(codec, arrays[f"{role}_latent"]),
  )


@pytest.fixture(scope="module")
def case():
  return Reference()


@pytest.fixture(scope="module")
def run(case):
  """(noise, step, KL weights) -> (StepLoss, gradients), compiled once."""

  def loss(params, arguments):
    noise, step, weights = arguments
    config = ConfigDict(
      {
        "train": {
          "freeze_after": FREEZE_AFTER,
          "kl_weights": weights,
          "kl_schedule": (100, 300),
        }
      }
    )
    return loss_from_noise(
      case.model, config, params, case.context, case.target, noise, step
    )

  step = reference.differentiate(loss)
  return lambda noise, number, weights: step(
    case.params, (noise, jnp.int32(number), weights)
  )


@pytest.mark.parametrize("prefix", RUNS)
def test_loss_and_gradients_equal_the_reference(case, run, prefix):
  settings = case.settings(prefix)
  assert settings.get("kl_schedule", [100, 300]) == [100, 300]
  weights = tuple(settings.get("kl_weights", (0.0, 0.0)))
  out, grads = run(case.noise(prefix), settings["global_step"], weights)
  expected = case.case.run(prefix, "outputs")
  assert_close(out.loss.mean(), expected["loss"])
  if "kl_mean" in expected:
    assert_close(out.metrics["kl"].mean(), expected["kl_mean"])
  absent = reference.assert_gradients(
    case.case, prefix, [(case.tables[name], grads[name]) for name in grads]
  )
  assert absent == torch_names(case, out.unused)


def torch_names(case, flags):
  """Torch names of the parameters below the prefixes whose flag is set."""
  prefixes = [prefix for prefix, flag in flags.items() if flag]

  def marked(path, leaf):
    name = path_name(path)
    below = any(name == p or name.startswith(p + "/") for p in prefixes)
    return np.full(leaf.shape, below)

  marks = jax.tree_util.tree_map_with_path(marked, case.params)
  return {
    name
    for part, table in case.tables.items()
    for name, mark in export_tensors(marks[part], table)
    if mark.all() and name.removeprefix(table.prefix) not in table.buffers
  }


def test_from_freeze_after_on_the_tokenizer_has_no_gradient(case, run):
  noise, weights = case.noise("cond_"), (1e-2, 1e-2)
  before, grads = run(noise, FREEZE_AFTER - 1, weights)
  assert any(g.any() for g in jax.tree.leaves(grads["tokenizer"]))
  after, grads = run(noise, FREEZE_AFTER, weights)
  assert not any(g.any() for g in jax.tree.leaves(grads["tokenizer"]))
  assert any(g.any() for g in jax.tree.leaves(grads["decoder"]))
  np.testing.assert_array_equal(
    after.metrics["flow_loss"], before.metrics["flow_loss"]
  )
  np.testing.assert_array_equal(after.loss, after.metrics["flow_loss"])
  assert (before.loss > before.metrics["flow_loss"]).all()


def test_frozen_from_the_first_step_on_it_costs_its_forward_pass_alone(case):
  noise, step = case.noise("cond_"), jnp.int32(0)

  def costs(freeze_after):
    train = {
      "freeze_after": freeze_after,
      "kl_weights": (1e-2, 1e-2),
      "kl_schedule": (100, 300),
    }

    def loss(tokenizer):
      out = loss_from_noise(
        case.model,
        ConfigDict({"train": train}),
        case.params | {"tokenizer": tokenizer},
        case.context,
        case.target,
        noise,
        step,
      )
      return out.loss.mean(), out.metrics

    tokenizer = case.params["tokenizer"]
    metrics = jax.eval_shape(loss, tokenizer)[1]
    gradient = jax.grad(loss, has_aux=True)
    return (
      count_flops(gradient, tokenizer),
      count_flops(loss, tokenizer),
      metrics,
    )

  whole, forward, metrics = costs(0)
  assert whole < 1.01 * forward and metrics.keys() == {"flow_loss"}
  whole, forward, metrics = costs(FREEZE_AFTER)
  assert whole > 1.5 * forward and metrics.keys() == {"flow_loss", "kl"}


def test_clips_of_a_scene_are_rendered_from_one_encoding(case):
  noise, step = case.noise("kl_"), jnp.int32(200)
  train = {
    "freeze_after": -1, "kl_weights": (1e-2, 1e-2), "kl_schedule": (100, 300)
  }  # fmt: skip
  config = ConfigDict({"train": train})

  def loss(target, noise):
    out = loss_from_noise(
      case.model, config, case.params, case.context, target, noise, step
    )
    return {"loss": out.loss, **out.metrics}

  def both(tree, other):
    return jax.tree.map(
      lambda *pair: rearrange(list(pair), "n b ... -> (b n) ..."), tree, other
    )

  turned = jax.tree.map(lambda x: x[:, ::-1], case.target)
  later = noise.replace(levels=1 - noise.levels, target=noise.target[..., ::-1])
  alone = networks.quick_jit(loss)
  outs = alone(case.target, noise), alone(turned, later)
  joined = noise.replace(
    levels=both(noise.levels, later.levels),
    target=both(noise.target, later.target),
  )
  found = networks.quick_jit(loss)(both(case.target, turned), joined)
  mean = jax.tree.map(lambda a, b: (a + b) / 2, *outs)
  assert found["loss"].shape == (2,) and found.keys() >= {"flow_loss", "kl"}
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, mean
  )
  assert np.abs(outs[0]["loss"] - outs[1]["loss"]).min() > 1e-3


def test_a_batch_holds_the_clips_of_a_scene_one_after_another():
  more = ["--config.data.target_clips=3", "--config.data.latents=stored"]
  config = load_config("rooms:smoke", more)
  config = fields.plain(config)
  model, mesh = build(config), make_mesh(devices=jax.devices()[:1])
  described = shapes.latent_batch(config, model, mesh)
  batch = jax.tree.map(
    lambda leaf: np.arange(np.prod(leaf.shape)).reshape(leaf.shape) % 89.0,
    described,
  )
  task = tokenizer_task.tokenizer_task(model, config)
  context, target, noise = task.parts.draw(
    task.frozen, batch, jax.random.key(0)
  )
  scenes, latents = config.data.batch_size, config.data.num_targets
  assert len(context.latents) == len(noise.posterior) == scenes
  assert target.latents.shape[:2] == (3 * scenes, latents)
  want = rearrange(
    batch.target.cameras.extrinsics, "b (n v) i j -> b n v i j", n=3
  )
  for scene, clip in ((0, 0), (0, 2), (scenes - 1, 1)):
    found = target.cameras.extrinsics[3 * scene + clip]
    np.testing.assert_array_equal(found, want[scene, clip])
  out = jax.eval_shape(
    task.loss, jax.eval_shape(task.init, jax.random.key(0)), task.frozen,
    described, jax.random.key(0), 0,
  )  # fmt: skip
  assert out.loss.shape == (scenes,)


def test_noise_follows_the_configuration(case):
  config = ConfigDict(
    {
      "train": {"unconditional_probability": 1.0},
      "flow": {"weighting": "uniform", "sampling": "random_uniform"},
    }
  )
  noise = networks.quick_jit(
    lambda key: tokenizer_task.sample_noise(
      config, key, (2, 3), case.target.latents, (10, 8)
    )
  )(jax.random.key(0))
  assert noise.unconditional
  assert ((noise.reference >= 0) & (noise.reference < 3)).all()
  assert noise.posterior.shape == (2, 10, 8)
  assert noise.target.shape == case.target.latents.shape
  assert noise.levels.shape == (2, 4)
  assert (noise.levels == noise.levels[:, :1]).all()
