"""Linear layers over heads are the same on every platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.nn import blocks
from scenetok_jax.ops import cpu


def layers():
  """One to several axes, and back."""
  split = blocks.dense((3, 4), 8, name=None, scheme="torch", dtype=jnp.float32)
  merge = blocks.dense(
    8, 12, name=None, scheme="torch", dtype=jnp.float32, axis=(-2, -1)
  )
  return split, merge


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_product_of_matrices_equals_product_over_heads(monkeypatch, dtype):
  split, merge = (layer.clone(dtype=dtype) for layer in layers())
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  params = split.init(jax.random.key(1), x)
  back = merge.init(jax.random.key(2), split.apply(params, x))

  def both(params, back):
    heads = split.apply(params, x)
    assert heads.shape == (2, 5, 3, 4) and heads.dtype == dtype
    return merge.apply(back, heads).astype(jnp.float32).sum()

  found = jax.value_and_grad(both, (0, 1))(params, back)
  monkeypatch.setattr(cpu, "traced_for_cpu", lambda: False)
  wanted = jax.value_and_grad(both, (0, 1))(params, back)
  tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-5),
    found,
    wanted,
  )


def test_gradients_on_a_cpu_transpose_no_kernel():
  split, _ = layers()
  x = jnp.ones((5, 8))
  params = split.init(jax.random.key(1), x)
  loss = jax.grad(lambda p: jnp.square(split.apply(p, x)).sum())
  products = [
    equation
    for equation in jax.make_jaxpr(loss)(params).eqns
    if equation.primitive.name == "dot_general"
  ]
  assert products
  assert all(v.aval.ndim == 2 for e in products for v in e.invars)
