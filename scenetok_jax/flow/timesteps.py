"""Noise levels: their shift, their training density, the model's timestep."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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


def model_interval(way: Array) -> jax.Array:
  """Length of an interval of levels, in [0, 1] -> what networks embed.

  Ours: so short that no feature of it turns by more than 10 radians. The
  slope of average velocities would be lost in faster ones (flow.mean).
  """
  return 10 * jnp.asarray(way, jnp.float32)


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
  key: jax.Array, batch: int, latents: int, **drawing: Any
) -> jax.Array:
  """Draws the training noise level of every latent: [batch, latents] float32.

  drawing: weighting, sampling and the other arguments of `levels_by_keys`, as a
  configuration's flow has them.
  """
  return levels_by_keys(jax.random.split(key, 3), batch, latents, **drawing)


def levels_by_keys(
  keys: Sequence[jax.Array] | jax.Array,
  batch: int,
  latents: int,
  *,
  weighting: str,
  sampling: str = "random_uniform",
  chunks: int = 1,
  uniform_probability: float = 0.0,
  **density: Any,
) -> jax.Array:
  """Noise levels [batch, latents]; keys: of the coin, of scenes and of runs.

  weighting, density: see `noise_levels`. sampling: "random_uniform" one level
  per scene; "random_independent" one per latent; "random_chunked_uniform" one
  per run of L / chunks latents. uniform_probability: chance, drawn per scene
  (the coin), of one level for all its latents whatever `sampling` says
  (release: 0.2).
  """
  check_known(sampling, SAMPLINGS, "sampling")
  runs = _runs(latents, sampling, chunks)
  coin_key, scene_key, run_key = keys
  coin = jax.random.bernoulli(coin_key, uniform_probability, (batch, 1))
  normal = weighting == "logit_normal"
  draw = jax.random.normal if normal else jax.random.uniform
  per_scene = draw(scene_key, (batch, 1), jnp.float32)
  per_run = draw(run_key, (batch, runs), jnp.float32)
  draws = jnp.where(coin, per_scene, per_run)
  return per_latent(noise_levels(draws, weighting, **density), latents)


class Interval(NamedTuple):
  """Levels t of latents and the lower ones r that they go to: [B L] each."""

  t: Array
  start: Array


def sample_intervals(
  key: jax.Array, batch: int, latents: int, *, equal: float, **drawing: Any
) -> Interval:
  """Draws the intervals of a training on average velocities.

  equal: share with start = t, of levels as sample_noise_levels draws them (the
  same arguments). The other intervals lie between such a level and a uniform
  one (ours: of two of the density, hardly any would reach clean data where it
  is shifted towards noise). Latents that share a level share their interval.
  """
  coin, *keys = jax.random.split(key, 7)
  uniform = {**drawing, "weighting": "uniform"}
  own, other, resting = (
    levels_by_keys((coin, *pair), batch, latents, **kind)
    for pair, kind in zip(
      (keys[:2], keys[2:4], keys[4:]), (drawing, uniform, uniform), strict=True
    )
  )
  other = jnp.where(resting < equal, own, other)
  return Interval(jnp.maximum(own, other), jnp.minimum(own, other))


def _runs(latents: int, sampling: str, chunks: int) -> int:
  """How many runs of latents have a level of their own."""
  runs = {"random_uniform": 1, "random_independent": latents}.get(
    sampling, chunks
  )
  if runs < 1 or latents % runs:
    raise InputError(
      f"chunks: {latents} latents do not divide into {runs} noise chunks;"
      " choose a divisor"
    )
  return runs


def per_latent(levels: Array, latents: int) -> Array:
  """One level per run [B n] -> one per latent [B L]; n divides L."""
  runs = levels.shape[1]
  return einops.repeat(levels, "b n -> b (n l)", l=latents // runs)
