"""Attention equals its definition, and a causal one does not look ahead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from scenetok_jax.nn.blocks import constrain_tokens
from scenetok_jax.ops.attention import attend
from scenetok_jax.parallel.mesh import make_mesh
from tests.networks import MESH, normals


def inputs(length=5, keys=5):
  return (
    normals(0, 2, length, 2, 4),
    normals(1, 2, keys, 2, 4),
    normals(2, 2, keys, 2, 4),
  )


@pytest.mark.parametrize("keys", [5, 7])
def test_equals_the_definition(keys):
  query, key, value = inputs(keys=keys)
  logits = np.einsum("bqhd,bkhd->bhqk", query, key) / 2  # sqrt(4)
  weights = np.exp(logits)
  weights /= weights.sum(-1, keepdims=True)
  expected = np.einsum("bhqk,bkhd->bqhd", weights, value)
  np.testing.assert_allclose(
    attend(query, key, value), expected, rtol=1e-4, atol=1e-5
  )


def test_examples_with_many_logits_are_what_they_are_alone():
  # 8 MiB of logits each: on one CPU they go one after the other.
  query, key, value = (normals(i, 2, 1024, 2, 4) for i in range(3))
  together = jax.jit(attend)
  assert "scan" in str(jax.make_jaxpr(together)(query, key, value))
  np.testing.assert_allclose(
    together(query, key, value)[1:],
    together(query[1:], key[1:], value[1:]),
    rtol=1e-5,
    atol=1e-6,
  )
  with jax.set_mesh(make_mesh(MESH)):
    assert "scan" not in str(jax.make_jaxpr(attend)(query, key, value))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_are_those_of_the_definition(causal, dtype):
  arrays = [jnp.asarray(x, dtype) for x in inputs(length=6, keys=6)]
  # Written out in float32 alone: its weights would be rounded too early.
  program = str(jax.make_jaxpr(attend)(*arrays))
  assert ("custom_vjp" in program) == (dtype == "float32")

  def by_definition(query, key, value):
    logits = jnp.einsum("bqhd,bkhd->bhqk", query, key) / 2  # sqrt(4)
    if causal:
      logits = jnp.where(jnp.tril(jnp.ones((6, 6), bool)), logits, -jnp.inf)
    weights = jax.nn.softmax(logits, axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value)

  def gradients(function, arrays):
    def loss(*arrays):
      return jnp.sum(jnp.sin(function(*arrays).astype(jnp.float32)))

    return jax.grad(loss, argnums=(0, 1, 2))(*arrays)

  ours = gradients(lambda *x: attend(*x, causal=causal), arrays)
  assert all(x.dtype == dtype for x in ours)
  exact = gradients(by_definition, [x.astype(jnp.float32) for x in arrays])
  for found, expected in zip(ours, exact, strict=True):
    np.testing.assert_allclose(
      found.astype(jnp.float32),
      expected,
      atol=1e-5 if dtype == "float32" else 3e-2,
    )


def test_causal_attention_ignores_what_follows():
  query, key, value = inputs()
  full = attend(query, key, value, causal=True)
  short = attend(query[:, :3], key[:, :3], value[:, :3], causal=True)
  np.testing.assert_allclose(full[:, :3], short, rtol=1e-4, atol=1e-5)


def test_constrained_sums_over_heads_keep_examples_apart():
  # Without the constraint, this product swaps examples 1 and 2 on a 2x2x2 mesh.
  x, kernel = normals(0, 4, 8, 2, 16), normals(1, 2, 16, 32)
  expected = np.einsum("blhd,hdo->blo", x, kernel)
  batch = ("data", "fsdp")

  def project(x, kernel):
    x = jax.lax.with_sharding_constraint(x, P(batch, None, "tensor", None))
    kernel = jax.lax.with_sharding_constraint(kernel, P("tensor", None, "fsdp"))
    y = constrain_tokens(jax.numpy.einsum("blhd,hdo->blo", x, kernel))
    return jax.lax.with_sharding_constraint(y, P(batch, None, "tensor"))

  with jax.set_mesh(make_mesh(MESH)):
    found = jax.jit(project)(x, kernel)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
