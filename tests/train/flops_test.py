"""FLOP counts equal the analytic ones, loops and recomputation included."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train.flops import count_flops, matmul_flops_per_second

X = jax.ShapeDtypeStruct((4, 8), jnp.float32)
W = jax.ShapeDtypeStruct((5, 8, 8), jnp.float32)
LAYER = 2 * 4 * 8 * 8


def layer(x, w):
  return jnp.tanh(x @ w), None


def network(x, w, body=layer):
  return jax.lax.scan(body, x, w)[0]


def test_scan_multiplies_its_body():
  assert count_flops(jax.jit(network), X, W) == 5 * LAYER
  # XLA counts the body once, which is why this counter exists.
  compiled = jax.jit(network).lower(X, W).compile()
  assert compiled.cost_analysis()["flops"] < 3 * LAYER


def test_gradient_is_three_times_and_with_remat_four():
  def loss(w, x, body):
    return network(x, w, body).sum()

  plain = count_flops(jax.grad(lambda w, x: loss(w, x, layer)), W, X)
  body = jax.checkpoint(layer)
  remat = count_flops(jax.grad(lambda w, x: loss(w, x, body)), W, X)
  assert plain == 3 * 5 * LAYER
  assert remat == 4 * 5 * LAYER


def test_batched_einsum():
  def attend(q, k):
    return jnp.einsum("bqhd,bkhd->bhqk", q, k)

  q = jax.ShapeDtypeStruct((2, 3, 4, 5), jnp.float32)
  k = jax.ShapeDtypeStruct((2, 7, 4, 5), jnp.float32)
  assert count_flops(attend, q, k) == 2 * 2 * 4 * 3 * 7 * 5


def test_convolution():
  def convolve(x, w):
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
      x, w, (1, 1), "SAME", dimension_numbers=dimensions, feature_group_count=2
    )

  x = jax.ShapeDtypeStruct((1, 6, 6, 4), jnp.float32)
  w = jax.ShapeDtypeStruct((3, 3, 2, 8), jnp.float32)
  assert count_flops(convolve, x, w) == 2 * 36 * 8 * 9 * 2


def test_cond_counts_its_dearest_branch():
  def either(x, w):
    return jax.lax.cond(
      x.sum() > 0, lambda: network(x, w), lambda: x @ w[0] @ w[1]
    )

  assert count_flops(either, X, W) == 5 * LAYER


def test_shard_map_counts_all_devices():
  mesh = make_mesh({"data": 4, "fsdp": 2})
  split = jax.shard_map(
    lambda x, w: x @ w[0],
    mesh=mesh,
    in_specs=(P("data"), P()),
    out_specs=P("data"),
    axis_names={"data"},
  )
  assert count_flops(split, X, W) == LAYER


def test_peak_is_measured_once():
  peak = matmul_flops_per_second("float32", 256, 0.01)
  assert np.isfinite(peak) and peak > 1e7
  assert matmul_flops_per_second("float32", 256, 0.01) == peak
