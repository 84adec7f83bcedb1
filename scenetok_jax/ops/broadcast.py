"""Broadcasting that is said: the tests refuse it where it is not."""

import jax.numpy as jnp

from scenetok_jax.types import Array


def trailing(values: Array, like: Array) -> Array:
  """values [... D] with leading axes of one, up to the rank of `like`."""
  return jnp.expand_dims(values, range(like.ndim - values.ndim))
