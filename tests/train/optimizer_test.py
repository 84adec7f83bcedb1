"""Optimiser steps against the reference and against their own promises."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.train.gradients import accumulate, all_finite, tensor_norms
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.types import InputError
from tests import goldens


def reference_config(entry: dict, **more) -> Optimizer:
  """The settings of one optimiser entry of the reference case."""
  warmup, decay = (item["kwargs"] for item in entry["scheduler"])
  return Optimizer(
    learning_rate=entry["lr"],
    warmup_steps=warmup["total_iters"],
    warmup_start=warmup["start_factor"],
    milestones=tuple(decay["milestones"]),
    gamma=decay["gamma"],
    **more,
  )


def toy_params():
  return {
    "tokenizer": {"up": {"kernel": jnp.ones((2, 3))}},
    "decoder": {"down": {"kernel": jnp.full((3, 2), 2.0)}},
  }


def toy_gradients(scale=0.1):
  return jax.tree.map(lambda p: scale * p, toy_params())


def step_once(optimizer, gradients, *, params=None, state=None, step=0, **more):
  params = toy_params() if params is None else params
  state = optimizer.init(params) if state is None else state
  return jax.jit(optimizer.update)(
    gradients, state, params, jnp.int32(step), **more
  )


def assert_equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_schedule_equals_reference():
  case = goldens.load_case("optimizer")
  for i, entry in enumerate(case.config["optimizers"]):
    rate = jax.vmap(reference_config(entry).rate)
    found = rate(jnp.asarray(case.config["lr_steps"]))
    np.testing.assert_allclose(found, case.outputs[f"lr_{i}"], rtol=2e-6)


@pytest.mark.parametrize("index", [0, 1])
def test_steps_equal_reference(index):
  case = goldens.load_case("optimizer")
  run = case.config["steps"][index]
  skip = "zero" if run["grad_norm_skip"] else "none"
  optimizer = reference_config(
    run["optimizer"],
    skip=skip,
    clip_norm=run["clip"],
    skip_threshold=run["threshold"],
  )
  names = case.config["names"]
  params = {n: jnp.asarray(case.inputs[f"init/{n}"]) for n in names}
  state, update = optimizer.init(params), jax.jit(optimizer.update)
  for k in range(run["n"]):
    gradients = {n: jnp.asarray(case.inputs[f"grad{k}/{n}"]) for n in names}
    new = update(gradients, state, params, jnp.int32(k))
    params, state = new.params, new.opt_state
    want = {n: case.outputs[f"o{index}_after{k}/{n}"] for n in names}
    for name in names:
      np.testing.assert_allclose(params[name], want[name], rtol=2e-6, atol=2e-7)
    assert bool(new.metrics["skipped"]) == case.outputs[f"o{index}_skipped_{k}"]
    norm = 0.0 if new.metrics["skipped"] else new.metrics["grad_norm"]
    total = case.outputs[f"o{index}_total_norm_{k}"]
    np.testing.assert_allclose(norm, total, rtol=1e-6)


def test_cosine_reaches_its_ends():
  config = Optimizer(
    learning_rate=1.0,
    schedule="cosine",
    warmup_steps=10,
    warmup_start=0.0,
    decay_steps=110,
  )
  steps = jnp.asarray([0, 5, 10, 60, 110, 500])
  found = jax.vmap(config.rate)(steps)
  np.testing.assert_allclose(found, [0, 0.5, 1, 0.5, 0, 0], atol=1e-6)


def test_wsd_stays_and_then_falls_as_a_square_root():
  config = Optimizer(
    learning_rate=2.0,
    schedule="wsd",
    warmup_steps=10,
    warmup_start=0.0,
    decay_steps=100,
    decay_share=0.4,
  )
  steps = jnp.asarray([0, 5, 10, 60, 61, 70, 90, 100, 500])
  found = jax.vmap(config.rate)(steps)
  falling = [2 * (1 - np.sqrt(done / 40)) for done in (1, 10, 30)]
  np.testing.assert_allclose(found, [0, 1, 2, 2, *falling, 0, 0], atol=1e-6)


def test_constant_without_warmup_is_constant():
  config = Optimizer(schedule="constant", warmup_steps=0)
  found = jax.vmap(config.rate)(jnp.arange(3))
  np.testing.assert_allclose(found, 1e-4)


def test_freeze_rule_changes_nothing_on_a_bad_gradient():
  config = Optimizer(skip="freeze", schedule="constant")
  first = step_once(config, toy_gradients())
  bad = toy_gradients()
  bad["decoder"]["down"]["kernel"] *= jnp.nan
  new = step_once(
    config, bad, params=first.params, state=first.opt_state, step=1
  )
  assert new.metrics["skipped"] and not new.metrics["grads_finite"]
  assert_equal(new.params, first.params)
  assert_equal(new.opt_state, first.opt_state)


@pytest.mark.parametrize(
  ("value", "finite"),
  [(jnp.nan, False), (jnp.inf, False), (-jnp.inf, False), (3e38, True)],
)
def test_one_bad_element_among_good_ones_is_found(value, finite):
  # The square of 3e38 overflows, which must not pass for a bad element.
  gradients = {"a": jnp.ones((3, 4)).at[1, 2].set(value), "b": jnp.ones(2)}
  assert bool(jax.jit(all_finite)(gradients)) is finite


def test_freeze_rule_lets_large_gradients_pass():
  new = step_once(Optimizer(skip="freeze"), toy_gradients(1e3))
  assert not new.metrics["skipped"]


def test_zero_rule_still_decays_weights_and_moments():
  config = Optimizer(skip="zero", schedule="constant", warmup_steps=0)
  first = step_once(config, toy_gradients())
  bad = toy_gradients()
  bad["decoder"]["down"]["kernel"] *= jnp.inf
  new = step_once(
    config, bad, params=first.params, state=first.opt_state, step=1
  )
  assert new.metrics["skipped"]
  assert set(map(int, jax.tree.leaves(new.opt_state.count))) == {2}
  kernel = first.opt_state.mu["decoder"]["down"]["kernel"]
  np.testing.assert_allclose(
    new.opt_state.mu["decoder"]["down"]["kernel"], 0.9 * kernel, rtol=1e-6
  )
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(new.params))


def test_frozen_subtree_is_untouched_from_its_step_on():
  config = Optimizer(
    frozen=(("tokenizer", 5),), schedule="constant", warmup_steps=0
  )
  before = step_once(config, toy_gradients(), step=4)
  old = before.params["tokenizer"]["up"]["kernel"]
  assert not np.array_equal(old, toy_params()["tokenizer"]["up"]["kernel"])
  after = step_once(
    config,
    toy_gradients(),
    params=before.params,
    state=before.opt_state,
    step=5,
  )
  assert_equal(after.params["tokenizer"], before.params["tokenizer"])
  for moment in ("count", "mu", "nu"):
    assert_equal(
      getattr(after.opt_state, moment)["tokenizer"],
      getattr(before.opt_state, moment)["tokenizer"],
    )
  assert not np.array_equal(
    after.params["decoder"]["down"]["kernel"],
    before.params["decoder"]["down"]["kernel"],
  )


def test_frozen_gradients_do_not_count_in_norms():
  config = Optimizer(frozen=(("tokenizer", 0),), skip="zero")
  gradients = toy_gradients()
  gradients["tokenizer"]["up"]["kernel"] *= jnp.nan
  new = step_once(config, gradients)
  assert not new.metrics["skipped"]
  want = np.linalg.norm(toy_gradients()["decoder"]["down"]["kernel"])
  np.testing.assert_allclose(new.metrics["grad_norm"], want, rtol=1e-6)
  np.testing.assert_allclose(new.metrics["mean_tensor_norm"], want, rtol=1e-6)


def test_unused_subtree_is_left_out_when_its_flag_is_set():
  config = Optimizer(schedule="constant", warmup_steps=0)
  for flag in (True, False):
    new = step_once(
      config, toy_gradients(), unused={"decoder": jnp.array(flag)}
    )
    same = np.array_equal(
      new.params["decoder"]["down"]["kernel"],
      toy_params()["decoder"]["down"]["kernel"],
    )
    assert same == flag


def test_negative_freeze_step_never_freezes():
  config = Optimizer(frozen=(("tokenizer", -1),), warmup_steps=0)
  new = step_once(config, toy_gradients())
  kernel = toy_params()["tokenizer"]["up"]["kernel"]
  assert not np.array_equal(new.params["tokenizer"]["up"]["kernel"], kernel)


def test_unknown_names_are_refused():
  with pytest.raises(InputError, match=r"frozen.*'encoder'.*tokenizer"):
    step_once(Optimizer(frozen=(("encoder", 0),)), toy_gradients())
  with pytest.raises(InputError, match=r"optimizer\.skip"):
    Optimizer(skip="sometimes")
  for schedule in ("cosine", "wsd"):
    with pytest.raises(InputError, match="decay_steps"):
      Optimizer(schedule=schedule)
  with pytest.raises(InputError, match=r"decay_share: 0\.9 of 2500 steps"):
    Optimizer(schedule="wsd", decay_steps=2500, decay_share=0.9)


def test_norms_count_tensors_as_the_reference_does():
  ones = jnp.ones
  gradients = {
    "scene_tokens": ones((1, 4, 4)),
    "blocks": {
      "self_attention": {
        name: {"kernel": ones((2, 4, 2, 2)), "bias": ones((2, 2, 2))}
        for name in ("query", "key", "value")
      },
      "cross_attention": {
        name: {"kernel": ones((2, 4, 2, 2))}
        for name in ("query", "key", "value")
      },
    },
    "last": {"norm": {"scale": ones((4,))}},
  }
  norms = tensor_norms(gradients)
  values = np.sort(np.concatenate([np.asarray(v) for v in norms.values()]))
  want = [4.0, 2.0]  # tokens, the unscanned norm
  want += 2 * [np.sqrt(48), np.sqrt(12)]  # fused weight and bias, per layer
  want += 2 * 3 * [4.0]  # cross-attention's three weights, per layer
  np.testing.assert_allclose(values, np.sort(want), rtol=1e-6)


def test_accumulated_gradients_equal_the_whole_batch():
  weights = jnp.arange(3.0)

  def loss(params, batch, key):
    del key
    return jnp.mean(jnp.square(batch @ params))

  grad = jax.value_and_grad(loss)
  batch = jax.random.normal(jax.random.key(0), (8, 3))
  key = jax.random.key(1)
  whole = accumulate(grad, weights, batch, key, 1)
  parts = accumulate(grad, weights, batch, key, 4)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), whole, parts
  )


def test_config_is_hashable_and_replaceable():
  config = dataclasses.replace(Optimizer(), clip_norm=1.0)
  assert hash(config) != hash(Optimizer())
