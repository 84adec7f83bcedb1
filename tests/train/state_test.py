"""The training state is made on the mesh and stepped there."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import param_shardings
from scenetok_jax.train import state as train_state
from scenetok_jax.train.optimizer import Optimizer

MESH = {"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}
# A usual epsilon would make a step of a gradient that is only rounding.
OPTIMIZER = Optimizer(
  ema_decay=0.9, schedule="constant", warmup_steps=0, clip_norm=1.0,
  epsilon=1e-4,
)  # fmt: skip

MUON = dataclasses.replace(OPTIMIZER, name="muon")
LARGE = 256  # a width at which replicas share out the moments


def init(key, width=8):
  up, down = jax.random.split(key)
  scale, hidden = (8 / width) ** 0.5, 2 * width
  shapes = {"up": (up, (3, width, hidden)), "down": (down, (3, hidden, width))}
  mlp = {
    name: {"kernel": scale * jax.random.normal(*drawn)}
    for name, drawn in shapes.items()
  }
  return {"blocks": {"mlp": mlp}}


def loss(params, x):
  def layer(x, block):
    mlp = block["mlp"]
    return x + jnp.tanh(x @ mlp["up"]["kernel"]) @ mlp["down"]["kernel"], None

  return jnp.mean(jnp.square(jax.lax.scan(layer, x, params["blocks"])[0]))


def run(mesh, steps, width=8, optimizer=OPTIMIZER):
  build = functools.partial(init, width=width)
  with jax.set_mesh(mesh):
    state = train_state.create(build, optimizer, jax.random.key(0), mesh)

    def step(state, x):
      value, gradients = jax.value_and_grad(loss)(state.params, x)
      state, _ = train_state.apply_gradients(state, gradients, optimizer)
      return state, value

    places = param_shardings(state, mesh)
    step = jax.jit(step, donate_argnums=0, out_shardings=(places, None))
    losses = []
    for k in range(steps):
      x = jnp.sin(jnp.arange(8.0 * width) + k).reshape(8, width)
      state, value = step(state, x)
      losses.append(float(value))
  return state, losses


def test_every_leaf_follows_the_rule_table():
  state = train_state.create(
    init, OPTIMIZER, jax.random.key(0), make_mesh(MESH)
  )
  for tree in (state.params, state.ema, state.opt_state.mu, state.opt_state.nu):
    kernel = tree["blocks"]["mlp"]["up"]["kernel"]
    assert kernel.sharding.spec == P(None, "fsdp", "tensor")
  assert (
    state.step.dtype == jnp.int32 and state.step.sharding.is_fully_replicated
  )
  assert state.step.committed


@pytest.mark.parametrize("sizes", [MESH, {"data": 8}])
def test_devices_hold_equal_parts_of_large_arrays(sizes):
  state, _ = run(make_mesh(sizes), 1, LARGE)
  moments = state.opt_state
  for leaf in jax.tree.leaves(
    (state.params, state.ema, moments.mu, moments.nu)
  ):
    assert np.prod(leaf.sharding.shard_shape(leaf.shape)) * 8 == leaf.size


def test_abstract_state_describes_the_created_one():
  arguments = (init, OPTIMIZER, jax.random.key(0), make_mesh(MESH))
  real = train_state.create(*arguments)
  jax.tree.map(
    lambda a, b: (
      np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)),
      np.testing.assert_equal(a.sharding, b.sharding),
    ),
    train_state.abstract(*arguments),
    real,
  )


def test_no_average_without_a_decay():
  optimizer = Optimizer()
  state = train_state.create(init, optimizer, jax.random.key(0), make_mesh())
  assert state.ema is None


def test_average_moves_by_one_minus_decay():
  optimizer = Optimizer(ema_decay=0.995, learning_rate=0.0)
  state = train_state.at_start({"a": jnp.ones(2)}, optimizer)
  state = state.replace(ema={"a": jnp.zeros(2)})
  new, _ = train_state.apply_gradients(state, state.params, optimizer)
  np.testing.assert_allclose(new.ema["a"], 0.005, rtol=1e-5)


@pytest.mark.parametrize(
  "width, optimizer", [(8, OPTIMIZER), (LARGE, OPTIMIZER), (LARGE, MUON)]
)
@pytest.mark.parametrize("sizes", [MESH, {"data": 8}])
def test_sharded_run_equals_one_device(width, sizes, optimizer):
  lone = make_mesh(devices=jax.devices()[:1])
  one, losses_one = run(lone, 5, width, optimizer)
  many, losses_many = run(make_mesh(sizes), 5, width, optimizer)
  np.testing.assert_allclose(losses_one, losses_many, rtol=1e-5)
  assert len(set(losses_one)) == 5
  assert int(many.step) == 5
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    one.ema,
    many.ema,
  )
  if width == LARGE:
    for leaf in jax.tree.leaves(many.opt_state.mu):
      assert np.prod(leaf.sharding.shard_shape(leaf.shape)) * 8 == leaf.size


@pytest.mark.parametrize("sizes", [MESH, {"fsdp": 8, "data": 1}])
def test_initial_values_do_not_depend_on_the_mesh(sizes):
  optimizer, key = OPTIMIZER, jax.random.key(3)
  one = train_state.create(
    init, optimizer, key, make_mesh(devices=jax.devices()[:1])
  )
  many = train_state.create(init, optimizer, key, make_mesh(sizes))
  jax.tree.map(np.testing.assert_array_equal, one.params, many.params)
