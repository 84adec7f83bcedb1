"""What a stage hands to its step."""

import dataclasses

import jax.numpy as jnp

from scenetok_jax.model import build
from scenetok_jax.train.tokenizer_task import tokenizer_task
from scenetok_jax.workdir.config import load_config


def test_codecs_stay_outside_a_step_that_is_given_latents():
  config = load_config("configs/rooms.py:smoke", [])
  model = build(config)
  weights = {"kernel": jnp.ones(3)}
  codec = dataclasses.replace(model.target_codec, load=lambda: weights)
  model = dataclasses.replace(model, target_codec=codec)
  given = tokenizer_task(model, config).frozen["codecs"]
  assert given["context"] == {}
  assert given["target"].keys() == weights.keys()
  config.data.latents = "data/latents"
  assert tokenizer_task(model, config).frozen["codecs"] == {}
