"""Training losses of the flow and of the token posterior, one per scene."""

import einops
import jax
import jax.numpy as jnp

from scenetok_jax.types import Array, Posterior

LOGVAR_RANGE = (-30.0, 20.0)  # release: clamp of the posterior's log-variance


def flow_loss(prediction: Array, velocity: Array) -> jax.Array:
  """Mean squared error over all axes but the first, in float32 -> [B]."""
  error = jnp.asarray(prediction, jnp.float32) - velocity
  return einops.reduce(jnp.square(error), "b ... -> b", "mean")


def kl_divergence(posterior: Posterior) -> jax.Array:
  """KL to the standard normal, summed over tokens and channels -> [B].

  The log-variance is clamped to LOGVAR_RANGE first, as when sampling.
  """
  mean = jnp.asarray(posterior.mean, jnp.float32)
  logvar = jnp.clip(jnp.asarray(posterior.logvar, jnp.float32), *LOGVAR_RANGE)
  terms = jnp.square(mean) + jnp.exp(logvar) - 1 - logvar
  return 0.5 * einops.reduce(terms, "b ... -> b", "sum")


def kl_weight(
  step: Array, weights: tuple[float, float], schedule: tuple[int, int]
) -> jax.Array:
  """Weight of the KL term at an optimiser step (scalar float32).

  weights[0] up to step schedule[0], weights[1] after schedule[1], linear
  in between.
  """
  start, end = schedule
  # Integer difference first: float32 cannot tell large steps apart.
  elapsed = jnp.asarray(step) - start
  done = jnp.clip(elapsed / max(end - start, 1), 0.0, 1.0)
  return jnp.asarray(weights[0] + done * (weights[1] - weights[0]), jnp.float32)
