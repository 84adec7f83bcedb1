"""Scanned layers equal the same layers one after another, rematerialised too.

Sharding over eight devices is compared in tests/{tokenizer,decoder,generator}.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.nn.attention import KVCache
from scenetok_jax.nn.blocks import REMAT_POLICIES, stack
from scenetok_jax.nn.dit import BlockKVCache, DiTBlock
from scenetok_jax.ops.rope import angles_3d
from scenetok_jax.parallel.depth import apart, stacked
from scenetok_jax.tokenizer.perceiver import PerceiverBlock
from tests.networks import assert_same, draw, normals, quick_jit

DEPTH, WIDTH = 3, 24
ANGLES = angles_3d(2, 2, 2, WIDTH // 2)
# Block, its fields, carry and what all layers share.
BLOCKS = {
  "renderer": (
    DiTBlock,
    {"heads": 2},
    normals(1, 2, 8, WIDTH),
    (normals(2, 2, 8, WIDTH), normals(3, 2, 5, WIDTH), ANGLES),
  ),
  "SceneGen": (
    DiTBlock,
    {"heads": 2, "shift": False},
    normals(7, 2, 5, WIDTH),
    (normals(8, 2, 5, WIDTH), normals(9, 2, 8, WIDTH), None),
  ),
  "tokenizer": (
    PerceiverBlock,
    {"heads": 2, "qk_norm": True},
    (normals(4, 2, 5, WIDTH), normals(5, 2, 8, WIDTH)),
    (normals(6, 2, 8, WIDTH), ANGLES),
  ),
}


class Scanned(nn.Module):
  block: Any
  fields: Any
  remat: str = "none"
  depth: int = DEPTH

  @nn.compact
  def __call__(self, carry, *shared):
    layers = stack(
      self, self.block, self.depth, self.remat, "blocks", **self.fields
    )
    return layers(carry, *shared)


def differentiate(function, params, carry):
  """(output, gradients of all parameters)."""

  def loss(params):
    out = function(params, carry)
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(out)), out

  with jax.default_matmul_precision("highest"):
    gradients, out = quick_jit(jax.grad(loss, has_aux=True))(params)
  return jax.device_get({"out": out, "gradients": gradients})


@pytest.mark.parametrize("name", BLOCKS)
def test_scanned_layers_equal_unrolled_ones(name):
  block, fields, carry, shared = BLOCKS[name]
  params = draw(Scanned(block, fields), carry, *shared)

  def unrolled(params, carry):
    for i in range(DEPTH):
      layer = jax.tree.map(lambda leaf: leaf[i], params["blocks"])  # noqa: B023
      carry, _ = block(**fields).apply({"params": layer}, carry, *shared)
    return carry

  expected = differentiate(unrolled, params, carry)
  for remat in REMAT_POLICIES:
    net = Scanned(block, fields, remat)

    def run(params, carry, net=net):
      return net.apply({"params": params}, carry, *shared)[0]

    assert_same(differentiate(run, params, carry), expected, 1e-5)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_network_runs_with_its_blocks_apart(name):
  block, fields, carry, shared = BLOCKS[name]
  net = Scanned(block, fields)
  params = draw(net, carry, *shared)

  def run(params, carry):
    return net.apply({"params": params}, carry, *shared)[0]

  found = differentiate(run, apart(params), carry)
  found["gradients"] = jax.device_get(stacked(found["gradients"]))
  assert_same(found, differentiate(run, params, carry), 1e-5)


def test_another_number_of_blocks_is_refused():
  block, fields, carry, shared = BLOCKS["renderer"]
  params = apart(draw(Scanned(block, fields), carry, *shared))
  with pytest.raises(ValueError, match="parameters of 3 blocks, not 2"):
    Scanned(block, fields, depth=2).apply({"params": params}, carry, *shared)


class Deep(nn.Module):
  """A stack as networks have it, whose input may have a depth axis."""

  remat: str = "none"

  @nn.compact
  def __call__(self, x, c, cache):
    axes = (nn.broadcast, 0, nn.broadcast)
    layers = stack(self, DiTBlock, DEPTH, self.remat, "blocks", axes, heads=2)
    return layers(x, c, cache, None)


@pytest.mark.parametrize("remat", REMAT_POLICIES)
def test_blocks_that_are_apart_equal_the_scan(remat):
  x, c = normals(1, 2, 8, WIDTH), normals(2, 2, 8, WIDTH)
  cache = KVCache(*(normals(i, DEPTH, 2, 5, 2, WIDTH // 2) for i in (3, 4)))
  params = draw(Deep(), x, c, cache)

  def run(params, x):
    return Deep(remat).apply({"params": params}, x, c, cache)[0]

  expected = differentiate(run, params, x)
  found = differentiate(run, apart(params), x)
  found["gradients"] = jax.device_get(stacked(found["gradients"]))
  assert_same(found, expected, 1e-5)


def test_outputs_of_blocks_that_are_apart_are_stacked():
  condition = normals(1, 2, 5, WIDTH)

  class Memories(nn.Module):
    @nn.compact
    def __call__(self, condition):
      return stack(self, BlockKVCache, DEPTH, "none", "blocks", heads=2)(
        None, condition, None
      )[1]

  params = draw(Memories(), condition)
  found, expected = (
    Memories().apply({"params": tree}, condition)
    for tree in (apart(params), params)
  )
  assert found.key.shape == (DEPTH, 2, 5, 2, WIDTH // 2)
  assert found.null is None
  np.testing.assert_allclose(found.key, expected.key, atol=1e-5)
  np.testing.assert_allclose(found.value, expected.value, atol=1e-5)
