"""Norms and their gradients equal what autodiff makes of the definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.ops.normalize import rms_normalize, scale_features
from scenetok_jax.parallel.mesh import make_mesh
from tests.networks import MESH, assert_same, normals

EPSILON = 1e-3


def by_definition(x, scale):
  mean = jnp.mean(x**2, axis=-1, keepdims=True)
  return x / jnp.sqrt(mean + EPSILON) * trailing(scale, x)


def ours(x, scale):
  return scale_features(rms_normalize(x, EPSILON), scale)


def with_gradients(function, *inputs):
  out, pull = jax.vjp(function, *inputs)
  return {"out": out, "gradients": list(pull(jnp.cos(out)))}


@pytest.mark.parametrize("shape", [(4, 8, 32), (4, 8, 2, 16), (32,)])
def test_equal_the_definition(shape):
  x, scale = 0.05 * normals(1, *shape), normals(2, shape[-1])
  with jax.default_matmul_precision("highest"):
    expected = with_gradients(by_definition, x, scale)
    assert_same(
      jax.jit(lambda *a: with_gradients(ours, *a))(x, scale), expected
    )
    assert "custom_vjp" in str(jax.make_jaxpr(ours)(x, scale))
    # On several devices it is the definition that is differentiated.
    with jax.set_mesh(make_mesh(MESH)):
      assert "custom_vjp" not in str(jax.make_jaxpr(ours)(x, scale))
      assert_same(with_gradients(ours, x, scale), expected)


def test_recomputed_norms_have_the_same_gradients():
  x, scale = normals(1, 4, 8, 32), normals(2, 32)
  plain = with_gradients(ours, x, scale)
  again = with_gradients(jax.checkpoint(ours), x, scale)
  jax.tree.map(np.testing.assert_array_equal, again, plain)
