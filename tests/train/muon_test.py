"""Muon takes the matrices of blocks, and takes them as optax's does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from einops import rearrange

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import param_shardings
from scenetok_jax.train import state as train_state
from scenetok_jax.train.moments import orthogonalized
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.workdir.checkpoint import Checkpointer
from scenetok_jax.workdir.config import load_config

MUON = Optimizer(
  name="muon", learning_rate=1e-2, schedule="constant", warmup_steps=0,
  weight_decay=0.1,
)  # fmt: skip
SHAPES = {
  "blocks": {
    "attention": {
      "query": {"kernel": (2, 16, 2, 12)},
      "out": {"kernel": (2, 2, 12, 16)},
    },
    "mlp": {"down": {"kernel": (2, 40, 16)}, "up": {"bias": (2, 40)}},
    "adaln": {"modulation": {"kernel": (2, 16, 32)}},
  },
  "last_block": {"attention": {"value": {"kernel": (16, 2, 12)}}},
  "timestep": {"up": {"kernel": (16, 16)}},
}
# How a kernel is a stack of matrices.
LAYERS = {
  "query": "l w h d -> l w (h d)",
  "out": "l h d w -> l (h d) w",
  "down": "l m w -> l m w",
}


def drawn(seed):
  shapes, tree = jax.tree.flatten(SHAPES, is_leaf=lambda x: type(x) is tuple)
  keys = jax.random.split(jax.random.key(seed), len(shapes))
  leaves = map(jax.random.normal, keys, shapes)
  return jax.tree.unflatten(tree, leaves)


def steps(optimizer, state, seeds):
  step = jax.jit(
    lambda state, gradients: train_state.apply_gradients(
      state, gradients, optimizer
    )[0]
  )
  for seed in seeds:
    state = step(state, drawn(seed))
  return state


def begun(optimizer):
  return train_state.at_start(drawn(0), optimizer)


@pytest.mark.parametrize("shape", [(3, 32, 96), (96, 32), (48, 64)])
def test_singular_values_come_near_one(shape):
  x = jax.random.normal(jax.random.key(1), shape)
  left, _, right = np.linalg.svd(x, full_matrices=False)
  core = left.mT @ np.asarray(orthogonalized(1e-3 * x)) @ right.mT
  values = np.diagonal(core, axis1=-2, axis2=-1)
  # The quintic goes round 0.68 to 1.13.
  assert values.min() > 0.65 and values.max() < 1.2
  rest = core - values[..., None, :] * np.eye(min(shape[-2:]))
  assert np.abs(rest).max() < 1e-3  # the singular vectors stay


def test_three_steps_equal_those_of_optax_layer_by_layer():
  ended = steps(MUON, begun(MUON), (1, 2, 3)).params["blocks"]
  rule = optax.contrib.muon(1e-2, weight_decay=0.1, consistent_rms=0.2)
  for name, pattern in LAYERS.items():
    part = "mlp" if name == "down" else "attention"

    def stack(tree, part=part, name=name, pattern=pattern):
      return rearrange(tree[part][name]["kernel"], pattern)

    want = list(stack(drawn(0)["blocks"]))
    state = rule.init(want)
    for seed in (1, 2, 3):
      gradients = list(stack(drawn(seed)["blocks"]))
      changes, state = rule.update(gradients, state, want)
      want = optax.apply_updates(want, changes)
    np.testing.assert_allclose(stack(ended), want, atol=2e-5)


def test_only_kernels_of_attention_and_mlp_in_blocks_are_matrices():
  adamw = dataclasses.replace(MUON, name="adamw")
  ended, other = (steps(o, begun(o), (1, 2)) for o in (MUON, adamw))
  muon = {
    jax.tree_util.keystr(path, simple=True, separator="/")
    for path, nu in jax.tree_util.tree_leaves_with_path(ended.opt_state.nu)
    if nu.shape == ()
  }
  assert muon == {
    "blocks/attention/query/kernel", "blocks/attention/out/kernel",
    "blocks/mlp/down/kernel", "last_block/attention/value/kernel",
  }  # fmt: skip
  for path, value in jax.tree_util.tree_leaves_with_path(ended.params):
    same = np.array_equal(value, _at(other.params, path))
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    assert same == (name not in muon)
    moment = _at(ended.opt_state.nu, path)
    assert np.any(moment) == same
    assert _at(other.opt_state.nu, path).shape == value.shape


def _at(tree, path):
  for key in path:
    tree = tree[key.key]
  return tree


def test_steps_that_are_skipped_frozen_or_unused_leave_all_as_it_is():
  optimizer = dataclasses.replace(
    MUON, skip="freeze", frozen=(("last_block", 0),)
  )
  state = steps(optimizer, begun(optimizer), (1,))
  first, last = state.params["blocks"], state.params["last_block"]
  jax.tree.map(np.testing.assert_array_equal, last, drawn(0)["last_block"])
  bad = drawn(2)
  bad["blocks"]["mlp"]["down"]["kernel"] *= jnp.nan
  apply = jax.jit(train_state.apply_gradients, static_argnums=2)
  skipped, metrics = apply(state, bad, optimizer)
  assert metrics["skipped"]
  unused, _ = apply(state, drawn(2), optimizer, {"blocks": jnp.array(True)})
  for new in (skipped, unused):
    jax.tree.map(np.testing.assert_array_equal, new.params["blocks"], first)
    moments = zip(new.opt_state, state.opt_state, strict=True)
    for moment, old in moments:
      jax.tree.map(
        np.testing.assert_array_equal, moment["blocks"], old["blocks"]
      )


def test_a_run_goes_on_bit_for_bit(tmp_path):
  whole = steps(MUON, begun(MUON), (1, 2, 3, 4))
  half = steps(MUON, begun(MUON), (1, 2))
  mesh = make_mesh(devices=jax.devices()[:1])
  target = train_state.abstract(
    lambda key: drawn(0), MUON, jax.random.key(0), mesh
  )
  with Checkpointer(tmp_path, every=100) as saver:
    saver.save(2, half, {}, {}, force=True)
    saver.wait()
    state, _ = saver.restore(target)
  ended = steps(MUON, state, (3, 4))
  jax.tree.map(np.testing.assert_array_equal, ended, whole)


def test_a_configuration_asks_for_it_by_name():
  config = load_config("quickstart", ["--config.optimizer.name=muon"])
  assert Optimizer.of(config).name == "muon"
  assert Optimizer.of(load_config("quickstart")).name == "adamw"


@pytest.mark.parametrize(
  ("name", "gathered"), [("blocks", False), ("last_block", True)]
)
def test_replicas_orthogonalize_their_own_layers(name, gathered):
  shape = (2, 128, 256) if name == "blocks" else (256, 256)

  def init(key):
    kernel = jax.random.normal(key, shape)
    return {name: {"mlp": {"up": {"kernel": kernel}}}}

  def step(state):
    gradients = jax.tree.map(jnp.cos, state.params)
    return train_state.apply_gradients(state, gradients, MUON)[0]

  found = []
  for count in (1, 2):
    mesh = make_mesh({"data": count}, jax.devices()[:count])
    with jax.set_mesh(mesh):
      state = train_state.create(init, MUON, jax.random.key(0), mesh)
      compiled = jax.jit(step, out_shardings=param_shardings(state, mesh))
      compiled = compiled.lower(state).compile()
      found.append(jax.device_get(compiled(state).params))
  assert ("all-gather" in compiled.as_text()) == gathered
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *found)
