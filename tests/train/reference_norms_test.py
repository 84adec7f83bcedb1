"""Tensor norms, which the skip rule reads, are counted as in the release."""

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from scenetok_jax.convert.load import load_params
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.train.gradients import tensor_norms
from scenetok_jax.types import Cameras
from tests import goldens


def cameras(count):
  return Cameras(jnp.zeros((1, count, 4, 4)), jnp.zeros((1, count, 3, 3)))


def shapes(network, *inputs):
  init = jax.eval_shape(network.init, jax.random.key(0), *inputs)
  return init["params"]


def stage1(config, weights):
  """Both networks of the reference case, with its weights."""
  tokenizer = with_fields(
    Perceiver(), **reference_config.tokenizer_fields(config)
  )
  fields = reference_config.decoder_fields(config, null_token=True)
  decoder = with_fields(RayConditionedDiT(), **fields)
  context = jnp.zeros((1, 3, *config["compressor"]["input_shape"], 32))
  target = jnp.zeros((1, 2, *config["denoiser"]["input_shape"], 8))
  tokens = jnp.zeros((1, 10, config["cond_dim"]))
  return {
    "tokenizer": load_params(
      weights,
      perceiver_table.table(tokenizer),
      shapes(tokenizer, context, cameras(3)),
    ),
    "decoder": load_params(
      weights,
      dit_table.table(decoder),
      shapes(decoder, target, jnp.zeros((1, 2)), cameras(8), tokens),
    ),
  }


def test_norms_equal_those_of_the_release_tensors():
  case = goldens.load_case("train_stage1")
  weights = case.path / "weights.safetensors"
  params = stage1(case.config, weights)
  norms = tensor_norms(params)
  found = np.sort(np.concatenate([np.asarray(n) for n in norms.values()]))
  tensors = load_file(weights)
  names = [str(name) for name in case.outputs["cond_grad_names"]]
  want = np.sort([np.linalg.norm(tensors[name]) for name in names])
  np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-7)
