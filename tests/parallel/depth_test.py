"""Stacks of blocks come apart and together again without a changed bit."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.parallel import depth
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.placement import place_params
from scenetok_jax.sampling.digest import digest
from scenetok_jax.train.optimizer import OptimizerConfig, make_optimizer
from scenetok_jax.train.state import start_from
from tests.networks import normals

CPU = types.SimpleNamespace(platform="cpu")


def parameters(width=4):
  blocks = {
    "mlp": {"kernel": normals(1, 12, width, 3), "bias": normals(2, 12, 3)}
  }
  return {
    "tokenizer": {"blocks": blocks, "last_block": {"kernel": normals(3, 2, 2)}},
    "decoder": {"blocks": {"scale": normals(4, 12)}},
  }


def same(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_network_comes_apart_block_by_block():
  params = parameters()
  found = depth.apart(params)["tokenizer"]
  assert list(found["blocks"]) == [str(n) for n in range(12)]
  for n in range(12):
    np.testing.assert_array_equal(
      found["blocks"][str(n)]["mlp"]["kernel"],
      params["tokenizer"]["blocks"]["mlp"]["kernel"][n],
    )
  same(found["last_block"], params["tokenizer"]["last_block"])
  same(depth.apart(depth.apart(params)), depth.apart(params))


def test_a_training_state_survives_both_ways():
  optimizer = make_optimizer(OptimizerConfig(ema_decay=0.9))
  state = start_from(parameters(), optimizer, make_mesh({}))
  whole = jax.tree.map(np.asarray, state)
  found = depth.apart(state, free=True)
  assert state.params["decoder"]["blocks"]["scale"].is_deleted()
  assert depth.is_apart(found.opt_state.mu["decoder"]["blocks"])
  assert depth.is_apart(found.ema["decoder"]["blocks"])
  same(depth.stacked(found), whole)
  same(depth.stacked(whole), whole)


def test_stacks_free_their_parts():
  params = jax.tree.map(jnp.asarray, parameters())
  found = depth.apart(params)
  part = found["decoder"]["blocks"]["3"]["scale"]
  same(depth.stacked(found, free=True), params)
  assert part.is_deleted()


def test_abstract_arrays_come_apart_as_arrays_do():
  shapes = jax.eval_shape(parameters)
  same_shape = jax.eval_shape(lambda: depth.apart(parameters()))
  assert depth.apart(shapes) == same_shape


def test_a_digest_does_not_see_the_layout():
  params = parameters()
  assert digest(depth.apart(params)) == digest(params)
  assert digest(parameters(5)) != digest(params)


@pytest.mark.parametrize(
  ("devices", "remat", "pays"),
  [
    ([CPU], "none", True),
    ([CPU], "full", False),
    ([CPU, CPU], "none", False),
    ([types.SimpleNamespace(platform="gpu")], "none", False),
  ],
)
def test_only_large_networks_on_one_cpu_come_apart(devices, remat, pays):
  large = {"blocks": {"kernel": jax.ShapeDtypeStruct((8, 1 << 24), jnp.int8)}}
  assert not depth.apart_pays(large, devices, remat)
  large = {"blocks": {"kernel": jax.ShapeDtypeStruct((8, 1 << 25), jnp.int8)}}
  assert depth.apart_pays({"decoder": large}, devices, remat) == pays
  outside = {"head": large["blocks"], "blocks": {}}
  assert not depth.apart_pays(outside, devices, remat)


def test_networks_are_placed_in_the_layout_of_their_devices(monkeypatch):
  monkeypatch.setattr(depth, "_LARGE", 1)
  one = place_params(parameters(), make_mesh({}, jax.devices()[:1]))
  assert depth.is_apart(one["decoder"]["blocks"])
  eight = place_params(parameters(), make_mesh({}))
  assert not depth.is_apart(eight["decoder"]["blocks"])
