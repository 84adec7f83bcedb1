"""Normalisation and scaling whose gradients one CPU computes fast.

XLA's CPU kernels for elementwise work that ends in a sum, of which the
gradient of a norm has three, take ten times as long as the elementwise work
and a product with ones (docs/performance.md). On anything else these are what
autodiff makes of the definitions. Forward-mode differentiation of the former
raises, as of every custom gradient.
"""

import functools

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.parallel.runtime import traced_for_one_cpu
from scenetok_jax.types import Array

_EXACT = jax.lax.Precision.HIGHEST  # they are sums, whatever products are


def rms_normalize(x: Array, epsilon: float) -> Array:
  """x [... D] over the root of its mean square."""
  function = _rms_by_products if traced_for_one_cpu() else _rms
  return function(x, epsilon)


def scale_features(x: Array, scale: Array) -> Array:
  """x [... D] times scale [D]."""
  return _scale_by_products(x, scale) if traced_for_one_cpu() else x * scale


def _rms(x: Array, epsilon: float) -> Array:
  mean = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
  return x * jax.lax.rsqrt(mean + epsilon)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _rms_by_products(x: Array, epsilon: float) -> Array:
  return _rms(x, epsilon)


def _rms_forward(x: Array, epsilon: float) -> tuple[Array, tuple[Array, Array]]:
  factor = jax.lax.rsqrt(_mean_of_features(jnp.square(x)) + epsilon)
  return x * factor, (x * factor, factor)


def _rms_backward(
  epsilon: float, saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array]:
  del epsilon  # it is in the factor
  y, factor = saved
  return (factor * (cotangent - y * _mean_of_features(cotangent * y)),)


_rms_by_products.defvjp(_rms_forward, _rms_backward)


@jax.custom_vjp
def _scale_by_products(x: Array, scale: Array) -> Array:
  return x * scale


def _scale_forward(x: Array, scale: Array) -> tuple[Array, tuple[Array, Array]]:
  return x * scale, (x, scale)


def _scale_backward(
  saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
  x, scale = saved
  rows = rearrange(cotangent * x, "... d -> (...) d")
  ones = jnp.ones((1, rows.shape[0]), rows.dtype)
  return cotangent * scale, jnp.matmul(ones, rows, precision=_EXACT)[0]


_scale_by_products.defvjp(_scale_forward, _scale_backward)


def _mean_of_features(x: Array) -> Array:
  """[... D] -> [... 1]."""
  weights = jnp.full((x.shape[-1], 1), 1.0 / x.shape[-1], x.dtype)
  return jnp.matmul(x, weights, precision=_EXACT)
