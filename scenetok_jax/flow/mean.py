"""Average velocities over an interval of noise levels (MeanFlow).

Geng et al. 2025, arXiv 2505.13447. A network that knows its average velocity u
from level t down to level r goes there in one step: x_r = x_t - (t - r) u.
Every latent of a clip has its own t and r. Levels [B L], x [B L h w C].
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from scenetok_jax.flow.path import over_trailing_axes
from scenetok_jax.types import Array

# (x, t, start) -> average velocity from t down to start, of x's shape.
Average = Callable[[Array, Array, Array], Array]

_FLOOR = 1e-3  # of an error that weighs a loss (the paper's c)


def mean_target(
  average: Average, x: Array, velocity: Array, t: Array, start: Array
) -> jax.Array:
  """What the average velocity at (x, t) should be, by its own slope.

  Latents go down together, each at its own rate: t(s) = start + s (t - start),
  s from 1 to 0. There (t - start) s u is the way from x(s) to x(0), whose
  derivative by s gives u = v - du/ds at s = 1: the paper's v - (t - r) du/dt,
  where all intervals are equal. It holds where t = start, too, and is v where
  that is so of all latents.

  average: differentiable forward (jax.jvp). velocity: v at (x, t). No gradient
  goes through the target.
  """
  x, velocity = jax.lax.stop_gradient((x, velocity))
  way = t - start
  tangents = over_trailing_axes(way, x) * velocity, way
  _, slope = jax.jvp(lambda x, t: average(x, t, start), (x, t), tangents)
  return jax.lax.stop_gradient(velocity - slope)


def adaptive_weights(errors: Array, power: float) -> jax.Array:
  """Weights 1 / (error + 1e-3)^power of scenes; no gradient goes through.

  errors: mean squares [B]. power: 0 weighs all alike, 1 is the paper's.
  """
  return jax.lax.stop_gradient((jnp.asarray(errors) + _FLOOR) ** -power)
