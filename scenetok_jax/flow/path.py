"""The rectified-flow path between data and noise.

Times t lie in [0, 1]: 0 is clean data, 1 is pure noise. They may have fewer
axes than x and are then broadcast over the trailing ones: t [], [B] or [B L]
for x [B L h w C].
"""

import einops
import jax.numpy as jnp

from scenetok_jax.types import Array


def over_trailing_axes(t: Array, like: Array) -> Array:
  """Appends axes of size one to t until it broadcasts against `like`."""
  t = jnp.asarray(t)
  ones = " 1" * (jnp.ndim(like) - t.ndim)
  return einops.rearrange(t, f"... -> ...{ones}")


def interpolate(x: Array, noise: Array, t: Array) -> Array:
  """The noisy sample (1 - t) x + t noise."""
  t = over_trailing_axes(t, x)
  return (1 - t) * x + t * noise


def velocity(x: Array, noise: Array) -> Array:
  """The flow to predict: noise - x, at every t."""
  return noise - x


def clean_estimate(x_t: Array, velocity: Array, t: Array) -> Array:
  """The data that a velocity at (x_t, t) points back to."""
  return x_t - over_trailing_axes(t, x_t) * velocity


def euler_step(x: Array, velocity: Array, t: Array, t_next: Array) -> Array:
  """One step along the velocity; samples with t_next == t stay as they are."""
  step = jnp.asarray(t_next) - jnp.asarray(t)
  return x + over_trailing_axes(step, x) * velocity
