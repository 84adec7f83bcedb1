"""Noise levels: their shift, their training density, the model's timestep."""

from typing import Any

import einops
import jax
import jax.numpy as jnp

from scenetok_jax.types import Array, InputError, check_known

WEIGHTINGS = ("uniform", "logit_normal", "shifted")
SAMPLINGS = ("random_uniform", "random_chunked_uniform", "random_independent")


def shift(t: Array, s: float) -> Array:
  """Moves levels towards noise: s t / (1 + (s - 1) t); s = 1 changes nothing.

  Works on NumPy and JAX arrays; keeps 0 and 1 where they are.
  """
  return s * t / (1 + (s - 1) * t)


_shift = shift  # the functions below have a parameter of that name


def model_timestep(t: Array) -> jax.Array:
  """Level in [0, 1] -> what the networks embed: max(1000 t - 1, 0)."""
  return jnp.maximum(1000 * jnp.asarray(t, jnp.float32) - 1, 0)


def noise_levels(
  draw: Array,
  weighting: str,
  shift: float | None = None,
  mean: float = 0.0,
  deviation: float = 1.0,
) -> Array:
  """Turns raw draws into training noise levels in [0, 1].

  draw: standard normal for "logit_normal", uniform on [0, 1) otherwise.
  shift: factor of "shifted" alone; None means 1. mean, deviation: of the
  logits of "logit_normal" alone.
  """
  check_known(weighting, WEIGHTINGS, "weighting")
  if weighting == "logit_normal":
    return jax.nn.sigmoid(mean + deviation * draw)
  if weighting == "uniform":
    return draw
  return _shift(draw, 1.0 if shift is None else shift)


def sample_noise_levels(
  key: jax.Array,
  batch: int,
  latents: int,
  *,
  weighting: str,
  sampling: str = "random_uniform",
  chunks: int = 1,
  uniform_probability: float = 0.0,
  **density: Any,
) -> jax.Array:
  """Draws the training noise level of every latent: [batch, latents] float32.

  weighting, density: see `noise_levels`. sampling: "random_uniform" one level
  per scene; "random_independent" one per latent; "random_chunked_uniform" one
  per run of L / chunks latents. uniform_probability: chance, drawn per scene,
  of one level for all its latents whatever `sampling` says (release: 0.2).
  """
  check_known(sampling, SAMPLINGS, "sampling")
  runs = {"random_uniform": 1, "random_independent": latents}.get(
    sampling, chunks
  )
  if runs < 1 or latents % runs:
    raise InputError(
      f"chunks: {latents} latents do not divide into {runs} noise chunks;"
      " choose a divisor"
    )
  coin_key, scene_key, run_key = jax.random.split(key, 3)
  coin = jax.random.bernoulli(coin_key, uniform_probability, (batch, 1))
  normal = weighting == "logit_normal"
  draw = jax.random.normal if normal else jax.random.uniform
  per_scene = draw(scene_key, (batch, 1), jnp.float32)
  per_run = draw(run_key, (batch, runs), jnp.float32)
  draws = jnp.where(coin, per_scene, per_run)
  return per_latent(noise_levels(draws, weighting, **density), latents)


def per_latent(levels: Array, latents: int) -> Array:
  """One level per run [B n] -> one per latent [B L]; n divides L."""
  runs = levels.shape[1]
  return einops.repeat(levels, "b n -> b (n l)", l=latents // runs)
