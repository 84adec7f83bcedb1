"""FLOP counts equal the analytic ones, loops and recomputation included."""

import math
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from scenetok_jax.nn.remat import REMAT_POLICIES
from scenetok_jax.ops.attention import attend
from scenetok_jax.ops.splash import splash_attention
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train.flops import (
  count_flops,
  fastest,
  kernel_flops,
  matmul_flops_per_second,
  peak_flops_per_second,
  published_flops,
)

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


@pytest.mark.parametrize("remat, forward", [("dots", 1), ("full", 2)])
def test_cudnn_counts_by_its_formula_and_is_kept(remat, forward, monkeypatch):
  # Traced, not run: the version is all that JAX asks of cuDNN for it.
  monkeypatch.setattr(
    "jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version",
    lambda: 91_000,
  )
  query = jax.ShapeDtypeStruct((2, 128, 4, 64), jnp.bfloat16)
  key = jax.ShapeDtypeStruct((2, 32, 4, 64), jnp.bfloat16)

  def loss(query, key):
    # What follows needs the result again.
    return jnp.sum(jnp.sin(attend(query, key, key, attention="cudnn")) ** 2)

  kept = jax.checkpoint(loss, policy=REMAT_POLICIES[remat])
  product = 2 * 2 * 4 * 128 * 32 * 64
  assert count_flops(loss, query, key) == 2 * product
  found = count_flops(jax.value_and_grad(kept, (0, 1)), query, key)
  assert found == (2 * forward + 5) * product


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


@pytest.mark.parametrize(
  "kind, cores, bfloat16, float32",
  [
    ("TPU v4", 2, 275e12, 275e12),
    ("TPU v4", 1, 137.5e12, 137.5e12),  # as the compiler shows it
    ("TPU v5 lite", 1, 197e12, 197e12),
    ("TPU v5", 2, 459e12, 459e12),
    ("TPU v6 lite", 1, 918e12, 918e12),
    ("NVIDIA H100 80GB HBM3", 0, 989.4e12, 494.7e12),
    ("NVIDIA H100 PCIe", 0, 756e12, 378e12),
    ("NVIDIA H200", 0, 989.4e12, 494.7e12),
    ("NVIDIA A100-SXM4-40GB", 0, 312e12, 156e12),
    ("NVIDIA A100 80GB PCIe", 0, 312e12, 156e12),
    ("NVIDIA L40S", 0, 362e12, 183e12),
    ("NVIDIA B200", 0, 2250e12, 1125e12),
    ("NVIDIA GB200", 0, 2500e12, 1250e12),
    ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 0, None, None),
    ("NVIDIA GeForce GTX 1080", 0, None, None),
    ("cpu", 0, None, None),
  ],
)
def test_known_chips_have_their_published_peak(kind, cores, bfloat16, float32):
  device = SimpleNamespace(device_kind=kind)
  if cores:
    device.num_cores = cores
  assert published_flops(device, "bfloat16") == bfloat16
  assert published_flops(device, "float32") == float32


def test_a_known_chip_is_not_measured(monkeypatch):
  device = SimpleNamespace(device_kind="NVIDIA H200")
  monkeypatch.setattr(jax, "local_devices", lambda: [device])
  start = time.perf_counter()
  assert peak_flops_per_second("bfloat16") == 989.4e12
  assert time.perf_counter() - start < 0.1


def test_an_unknown_chip_is_measured_at_a_size_that_reaches_its_peak():
  found = peak_flops_per_second("float32")
  assert np.isfinite(found)
  assert found >= matmul_flops_per_second("float32", 1024, 0.1)


def test_sizes_grow_while_that_pays_within_time_and_memory():
  def tried(peak, half, memory=math.inf):
    """The sizes for a chip that does half of its peak at one of them."""
    sizes = []

    def speed(size):
      sizes.append(size)
      return peak * size**2 / (size**2 + half**2)

    assert fastest(speed, memory) == speed(sizes[-1])
    return sizes[:-1]

  # A fast chip: 2,048 would show a fifth of its peak.
  assert tried(900e12, 4096) == [1024, 2048, 4096, 8192, 16384, 32768]
  assert tried(900e12, 4096, memory=4e9) == [1024, 2048, 4096, 8192]
  assert tried(1e11, 256)[-1] == 2048  # it pays no longer
  assert tried(3e11, 2048) == [1024, 2048]  # 4,096 would take too long


def test_peak_is_measured_once():
  peak = matmul_flops_per_second("float32", 256, 0.01)
  assert np.isfinite(peak) and peak > 1e7
  assert matmul_flops_per_second("float32", 256, 0.01) == peak


def test_kernels_cost_their_products():
  shapes = [(2, 4, 512, 64), (2, 4, 768, 64)]
  product = 2 * 2 * 4 * 512 * 768 * 64
  assert kernel_flops("splash_mha_fwd_residuals.3", shapes) == 2 * product
  assert kernel_flops("splash_mha_dkv_no_residuals.1", shapes) == 5 * product
  assert kernel_flops("another_kernel", shapes) == 0


def test_attention_by_a_kernel_is_counted_by_its_products():
  x = jax.ShapeDtypeStruct((2, 256, 3, 64), jnp.bfloat16)

  def loss(*arrays):
    out = splash_attention(*arrays, causal=False, interpret=True)
    return jnp.sum(out.astype(jnp.float32))

  gradient = jax.grad(loss, argnums=(0, 1, 2))
  product = 2 * 2 * 3 * 256 * 64  # of each row with its cotangent
  assert count_flops(gradient, x, x, x) == (7 * 256 + 1) * product
