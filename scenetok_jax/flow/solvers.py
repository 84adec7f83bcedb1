"""Euler integration of a velocity field from noise to data."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from scenetok_jax.flow import path
from scenetok_jax.types import Array

Velocity = Callable[[Array, Array], Array]  # (x, t) -> velocity of x's shape


def linear_levels(steps: int) -> jax.Array:
  """Evenly spaced noise levels 1 .. 0: [steps + 1] float32."""
  return 1 - jnp.arange(steps + 1, dtype=jnp.float32) / steps


def euler(velocity: Velocity, x: Array, levels: Array) -> jax.Array:
  """Integrates x through consecutive noise levels.

  Args:
    velocity: function of (x, t) where t is one row of `levels` in [0, 1], not
      the model's timestep.
    x: the state at levels[0]; noise when that is 1. Kept in its dtype.
    levels: [S + 1], or [S + 1, B], [S + 1, B, L] for one level per sample or
      latent (broadcast over x's trailing axes).

  Returns:
    The state at levels[S].
  """
  levels = jnp.asarray(levels, jnp.float32)

  def step(x, times):
    t, t_next = times
    update = path.euler_step(x, velocity(x, t), t, t_next)
    return update.astype(x.dtype), None

  x, _ = jax.lax.scan(step, jnp.asarray(x), (levels[:-1], levels[1:]))
  return x


def guide(conditional: Array, unconditional: Array, scale: Array) -> Array:
  """Classifier-free guidance of two predictions; scale 1 is conditional."""
  return unconditional + scale * (conditional - unconditional)


def guided(
  conditional: Velocity, unconditional: Velocity, scale: float
) -> Velocity:
  """Velocity function with classifier-free guidance.

  A scale of exactly 1 returns `conditional` itself and saves the second pass.
  """
  if scale == 1:
    return conditional

  def velocity(x, t):
    return guide(conditional(x, t), unconditional(x, t), scale)

  return velocity
