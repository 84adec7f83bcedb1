"""The training state is made on the mesh and stepped there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train import state as train_state
from scenetok_jax.train.optimizer import Optimizer

MESH = {"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}
OPTIMIZER = Optimizer(
  ema_decay=0.9, schedule="constant", warmup_steps=0, clip_norm=1.0
)


def init(key):
  up, down = jax.random.split(key)
  return {
    "blocks": {
      "mlp": {
        "up": {"kernel": jax.random.normal(up, (3, 8, 16))},
        "down": {"kernel": jax.random.normal(down, (3, 16, 8))},
      }
    }
  }


def loss(params, x):
  def layer(x, block):
    mlp = block["mlp"]
    return x + jnp.tanh(x @ mlp["up"]["kernel"]) @ mlp["down"]["kernel"], None

  return jnp.mean(jnp.square(jax.lax.scan(layer, x, params["blocks"])[0]))


def run(mesh, steps):
  with jax.set_mesh(mesh):
    state = train_state.create(init, OPTIMIZER, jax.random.key(0), mesh)

    def step(state, x):
      value, gradients = jax.value_and_grad(loss)(state.params, x)
      state, _ = train_state.apply_gradients(state, gradients, OPTIMIZER)
      return state, value

    step = jax.jit(step, donate_argnums=0)
    losses = []
    for k in range(steps):
      x = jnp.sin(jnp.arange(64.0) + k).reshape(8, 8)
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


def test_sharded_run_equals_one_device():
  one, losses_one = run(make_mesh(devices=jax.devices()[:1]), 5)
  many, losses_many = run(make_mesh(MESH), 5)
  np.testing.assert_allclose(losses_one, losses_many, rtol=1e-5)
  assert len(set(losses_one)) == 5
  assert int(many.step) == 5
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    one.ema,
    many.ema,
  )


@pytest.mark.parametrize("sizes", [MESH, {"fsdp": 8, "data": 1}])
def test_initial_values_do_not_depend_on_the_mesh(sizes):
  optimizer, key = OPTIMIZER, jax.random.key(3)
  one = train_state.create(
    init, optimizer, key, make_mesh(devices=jax.devices()[:1])
  )
  many = train_state.create(init, optimizer, key, make_mesh(sizes))
  jax.tree.map(np.testing.assert_array_equal, one.params, many.params)
