"""Scanned layers equal the same layers one after another, rematerialised too.

Sharding over eight devices is compared in tests/{tokenizer,decoder,generator}.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import stack
from scenetok_jax.nn.dit import DiTBlock
from scenetok_jax.nn.remat import REMAT_POLICIES
from scenetok_jax.ops.rope import angles_3d
from scenetok_jax.tokenizer.perceiver import PerceiverBlock
from tests.networks import assert_same, draw, normals, quick_jit

DEPTH, WIDTH = 2, 24
SLOW = pytest.mark.slow
ANGLES = angles_3d(2, 2, 2, WIDTH // 2)
# Block, its fields, carry and what all layers share.
BLOCKS = {
  "renderer": (
    DiTBlock,
    {"block": BlockSpec(heads=2, qk_norm=True)},
    normals(1, 2, 8, WIDTH),
    (normals(2, 2, 8, WIDTH), normals(3, 2, 5, WIDTH), ANGLES),
  ),
  "SceneGen": (
    DiTBlock,
    {"block": BlockSpec(heads=2, qk_norm=True, shift=False)},
    normals(7, 2, 5, WIDTH),
    (normals(8, 2, 5, WIDTH), normals(9, 2, 8, WIDTH), None),
  ),
  "tokenizer": (
    PerceiverBlock,
    {"block": BlockSpec(heads=2, qk_norm=True)},
    (normals(4, 2, 5, WIDTH), normals(5, 2, 8, WIDTH)),
    (normals(6, 2, 8, WIDTH), ANGLES),
  ),
}


class Scanned(nn.Module):
  layer: Any
  fields: Any
  remat: str = "none"
  depth: int = DEPTH

  @nn.compact
  def __call__(self, carry, *shared):
    layers = stack(self.layer, self.depth, self.remat, **self.fields)
    return layers(carry, *shared)


def differentiate(function, params, carry):
  """(output, gradients of all parameters)."""

  def loss(params):
    out = function(params, carry)
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(out)), out

  with jax.default_matmul_precision("highest"):
    gradients, out = quick_jit(jax.grad(loss, has_aux=True))(params)
  return jax.device_get({"out": out, "gradients": gradients})


@pytest.mark.parametrize(
  "name",
  # SceneGen's block is the renderer's with other options.
  [
    "renderer",
    *(pytest.param(n, marks=SLOW) for n in ("tokenizer", "SceneGen")),
  ],
)
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
