"""Posed images to scene tokens."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, encode_views, tokenize
from scenetok_jax.types import Array, Views


def encode(
  model: Model,
  params: Any,
  context: Views,
  reference: Array,
  key: Array | None,
  codec_params: Any = None,
) -> Array:
  """Context views [B V] with absolute cameras -> tokens [B N C] float32.

  params: {"tokenizer": ...}. reference: [B 4 4] camera-to-world that the
  tokens are relative to; the middle context view in tests (release). key:
  draws the posterior sample; None takes the mean. codec_params: see
  encode_views.
  """
  codec_key, token_key = (None, None) if key is None else jax.random.split(key)
  latents = encode_views(model.context_codec, context, codec_key, codec_params)
  posterior = tokenize(
    model, params, latents, relative_to(context.cameras, reference)
  )
  if token_key is None:
    return posterior.mean
  shape = posterior.mean.shape
  return posterior.sample(jax.random.normal(token_key, shape, jnp.float32))


def encode_program(model: Model) -> Callable[..., Array]:
  """encode without the model, compiled once for all scenes of one shape."""
  run = jax.jit(functools.partial(encode, model))

  def program(params: Any, *inputs: Any) -> Array:
    networks = {"tokenizer": params["tokenizer"]}
    return run(networks, *inputs, model.context_codec.params)

  return program
