"""Every parameter of every network has a rule of its own."""

import jax
import jax.numpy as jnp
import pytest

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parallel import rules
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import Cameras

CATCH_ALL = len(rules.PARAM_RULES) - 1
SMALL = {"width": 128, "depth": 2, "heads": 2}


def cameras(count):
  return Cameras(jnp.zeros((1, count, 4, 4)), jnp.zeros((1, count, 3, 3)))


def shapes(network, *inputs):
  init = jax.eval_shape(network.init, jax.random.key(0), *inputs)
  return init["params"]


def named(tree):
  """(path, leaf) of every leaf."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return [(rules.path_name(path), leaf) for path, leaf in leaves]


def unmatched(tree, least=0):
  """Leaves of more than `least` bytes that only the catch-all matches."""
  return [
    name
    for name, leaf in named(tree)
    if leaf.size * leaf.dtype.itemsize > least
    and rules.rule_of(name) == CATCH_ALL
  ]


def tokenizer():
  latents = jnp.zeros((1, 2, 16, 16, 32))
  return shapes(with_fields(Perceiver(), **SMALL), latents, cameras(2))


def decoder():
  network = with_fields(RayConditionedDiT(), **SMALL, null_token=True)
  latents = jnp.zeros((1, 2, 8, 8, 16))
  tokens = jnp.zeros((1, 4, 64))
  return shapes(network, latents, jnp.zeros((1, 2)), cameras(8), tokens)


def generator(anchor_embedding):
  network = with_fields(SceneGen(), **SMALL, anchor_embedding=anchor_embedding)
  latents = jnp.zeros((1, 2, 16, 16, 32))
  tokens, time = jnp.zeros((1, 4, 64)), jnp.zeros((1, 4))
  return shapes(network, tokens, time, latents, cameras(2), cameras(3))


@pytest.mark.parametrize(
  "tree",
  [tokenizer, decoder, lambda: generator("rays"), lambda: generator("flat")],
)
def test_no_parameter_falls_through(tree):
  assert unmatched(tree()) == []


@pytest.mark.parametrize("name", ["va_vae", "video_dc_ae", "wan_vae"])
def test_no_large_parameter_of_a_codec_falls_through(name):
  assert unmatched(get_codec(name).make().shapes(), 1 << 20) == []


def test_every_rule_is_used():
  codec = get_codec("va_vae").make().shapes()
  networks = (tokenizer(), decoder(), generator("rays"), codec)
  used = {rules.rule_of(name) for name, _ in named(networks)}
  assert used >= set(range(CATCH_ALL))
