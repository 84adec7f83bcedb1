"""What a stage hands to its step."""

import dataclasses

import jax.numpy as jnp

from scenetok_jax.cli.config import load_config
from scenetok_jax.sampling.system import build
from scenetok_jax.train.task import frozen_codecs


def test_codecs_stay_outside_a_step_that_is_given_latents():
  config = load_config("configs/rooms.py:smoke", [])
  system = build(config)
  weights = {"kernel": jnp.ones(3)}
  codec = dataclasses.replace(system.target_codec, load=lambda: weights)
  system = dataclasses.replace(system, target_codec=codec)
  given = frozen_codecs(system, config, "context", "target")
  assert given["context"] == {}
  assert given["target"].keys() == weights.keys()
  config.data.latents = "data/latents"
  assert frozen_codecs(system, config, "context", "target") == {}
