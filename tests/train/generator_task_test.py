"""Stage 2's loss and gradients equal the reference's."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.flow.timesteps import noise_levels
from scenetok_jax.generator import scenegen_table
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.model import Model
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.train.generator_task import (
  StepNoise,
  loss_from_noise,
  visible_views,
)
from scenetok_jax.types import Cameras, Views
from tests import networks
from tests.goldens import assert_close, load_case
from tests.train import reference


def build_system(config) -> Model:
  codec = get_codec("block_dct", spatial=2, channels=8)  # not called
  return Model(
    tokenizer=with_fields(
      Perceiver(), **reference_config.tokenizer_fields(config)
    ),
    decoder=RayConditionedDiT(),  # not called
    generator=with_fields(
      SceneGen(), **reference_config.generator_fields(config)
    ),
    context_codec=codec,
    target_codec=codec,
    image_size=8,
    num_context=3,
    num_targets=1,
    num_conditions=2,
  )


def load_views(arrays, role) -> Views:
  return Views(
    Cameras(arrays[f"{role}_extrinsics"], arrays[f"{role}_intrinsics"]),
    latents=reference.normalized("va_vae", arrays[f"{role}_latent"]),
  )


def recorded_noise(case, settings) -> StepNoise:
  arrays, prefix = case.inputs, settings["prefix"]
  batch = len(arrays["noise"])
  kwargs = settings["scene_scheduler"]["kwargs"]
  shown = np.asarray(settings.get("conditional", [True] * batch))
  return StepNoise(
    posterior=arrays["posterior_noise"],
    tokens=arrays["noise"],
    levels=noise_levels(
      arrays[f"{prefix}timestep_draw"],
      kwargs["weighting"],
      kwargs["timestep_shift"],
    ),
    visible=visible_views(arrays[f"{prefix}mask_uniforms"], 0.5, ~shown),
    drop_cameras=np.zeros(batch, bool),
    drop_anchors=np.zeros(batch, bool),
  )


@pytest.fixture(scope="module")
def stage2():
  """(case, compiled step, parameters): one compilation for all runs."""
  case = load_case("train_stage2")
  model = build_system(case.config)
  context, condition = (load_views(case.inputs, x) for x in ("context", "cond"))
  config = ConfigDict({"generation": {"scale_factor": 0.1}})
  tokenizer = networks.reference_params(
    case,
    model.tokenizer,
    perceiver_table.table(model.tokenizer),
    context.latents,
    context.cameras,
  )
  noise = case.inputs["noise"]
  generator = networks.reference_params(
    case,
    model.generator,
    scenegen_table.table(model.generator),
    noise,
    noise[..., 0],
    condition.latents,
    condition.cameras,
    context.cameras,
    np.ones(condition.latents.shape[:2], bool),
  )
  frozen = {"tokenizer": tokenizer}
  step = reference.differentiate(
    lambda params, noise: loss_from_noise(
      model, config, params, frozen, context, condition, noise
    )
  )
  return case, step, {"generator": generator}


@pytest.mark.parametrize("run", [0, 1])
def test_loss_and_gradients_equal_the_reference(stage2, run):
  case, step, params = stage2
  settings = case.config["runs"][run]
  prefix = settings["prefix"]
  noise = recorded_noise(case, settings)
  np.testing.assert_array_equal(
    noise.visible, case.outputs[f"{prefix}cond_mask"]
  )
  out, grads = step(params, noise)
  assert_close(out.loss.mean(), case.outputs[f"{prefix}loss"])
  fields = reference_config.generator_fields(case.config)
  table = scenegen_table.table(with_fields(SceneGen(), **fields))
  absent = reference.assert_gradients(
    case, prefix, [(table, grads["generator"])]
  )
  assert not absent and not out.unused


def test_the_first_view_is_always_shown_unless_the_scene_is_hidden():
  uniforms = np.array([[0.9, 0.9, 0.1], [0.9, 0.4, 0.6]], np.float32)
  shown = visible_views(uniforms, 0.5, np.array([False, True]))
  np.testing.assert_array_equal(
    shown, [[True, False, True], [False, False, False]]
  )
