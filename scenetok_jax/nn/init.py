"""Initialisers of the reference: torch's defaults and Xavier-uniform."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

Initializer = Callable[..., jax.Array]
SCHEMES = ("torch", "xavier", "zero", "normal")


def uniform(bound: float) -> Initializer:
  """U(-bound, bound)."""

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def kernel_init(scheme: str, fan_in: int, fan_out: int) -> Initializer:
  """Initialiser of a [fan_in, fan_out] kernel.

  "torch": U(+-1/sqrt(fan_in)), torch's default for Linear and Conv.
  "xavier": U(+-sqrt(6 / (fan_in + fan_out))).
  "normal": N(0, 0.02^2), the reference's timestep embedding.
  "zero": zeros, the reference's modulations and last layer.
  """
  if scheme == "torch":
    return uniform(1 / math.sqrt(fan_in))
  if scheme == "xavier":
    return uniform(math.sqrt(6 / (fan_in + fan_out)))
  if scheme == "normal":
    return jax.nn.initializers.normal(0.02)
  if scheme == "zero":
    return jax.nn.initializers.zeros
  raise ValueError(f"init scheme {scheme!r} is not one of {SCHEMES}")


def bias_init(scheme: str, fan_in: int) -> Initializer:
  """Initialiser of a bias: U(+-1/sqrt(fan_in)) for "torch", else zeros."""
  if scheme == "torch":
    return uniform(1 / math.sqrt(fan_in))
  return jax.nn.initializers.zeros
