"""Normalisation and scaling of features."""

import jax
import jax.numpy as jnp

from scenetok_jax.ops import cpu
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array


@cpu.cpu_gradient(cpu.rms_forward, cpu.rms_backward, constants=(1,))
def rms_normalize(x: Array, epsilon: float) -> Array:
  """x [... D] over the root of its mean square."""
  mean = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
  return x * jax.lax.rsqrt(mean + epsilon)


@cpu.cpu_gradient(cpu.scale_forward, cpu.scale_backward)
def scale_features(x: Array, scale: Array) -> Array:
  """x [... D] times scale [D]."""
  return x * trailing(scale, x)
