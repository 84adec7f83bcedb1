"""Initialisers of the reference: torch's defaults and Xavier-uniform."""

import math

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer, normal, zeros


def kernel_init(scheme: str, fan_in: int, fan_out: int) -> Initializer:
  """Initialiser of a [fan_in, fan_out] kernel.

  "torch": U(+-1/sqrt(fan_in)), torch's default for Linear and Conv.
  "xavier": U(+-sqrt(6 / (fan_in + fan_out))).
  "normal": N(0, 0.02^2), the reference's timestep embedding.
  "zero": zeros, the reference's modulations and last layer.
  """
  return {
    "torch": _uniform(1 / math.sqrt(fan_in)),
    "xavier": _uniform(math.sqrt(6 / (fan_in + fan_out))),
    "normal": normal(0.02),
    "zero": zeros,
  }[scheme]


def bias_init(scheme: str, fan_in: int) -> Initializer:
  """Initialiser of a bias: U(+-1/sqrt(fan_in)) for "torch", else zeros."""
  return _uniform(1 / math.sqrt(fan_in)) if scheme == "torch" else zeros


def _uniform(bound: float) -> Initializer:
  """U(-bound, bound)."""

  def init(key, shape, dtype=jnp.float32, out_sharding=None):
    del out_sharding
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init
