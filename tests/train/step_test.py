"""Blocks read kernels that a step casts once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.shapes import stage_task
from scenetok_jax.train.state import at_start
from scenetok_jax.train.step import cast_kernels, make_step
from scenetok_jax.workdir.config import load_config
from tests import networks

ROUNDING = 2.0**-8  # of bfloat16


def test_kernels_of_blocks_alone_are_cast():
  block = {"up": {"kernel": jnp.ones(2), "bias": jnp.ones(2)}}
  norm = {"scale": jnp.ones(2)}
  params = {"decoder": {"blocks": {"mlp": block, "norm": norm}, "head": block}}
  found = cast_kernels(params, "bfloat16")["decoder"]
  assert found["blocks"]["mlp"]["up"]["kernel"].dtype == jnp.bfloat16
  kept = [found["head"], found["blocks"]["norm"], found["blocks"]["mlp"]["up"]]
  assert [x.dtype for x in jax.tree.leaves(kept)].count(jnp.bfloat16) == 1


@pytest.mark.slow
def test_gradients_are_those_of_layers_that_cast():
  config = load_config("configs/rooms.py:smoke", [])
  config.dtype, config.data.batch_size = "bfloat16", 2
  model = build(config)
  task, optimizer = stage_task(config, model), Optimizer.of(config)
  batch = networks.scenes(config, model, make_mesh({}, jax.devices()[:1]))
  params = networks.drawn(task.init)
  found = []
  for dtype in ("float32", "bfloat16"):
    step = networks.quick_jit(make_step(task, optimizer, dtype=dtype))
    state = at_start(params, optimizer)
    state, _ = step(state, task.frozen, batch, jax.random.key(0))
    assert {x.dtype for x in jax.tree.leaves(state.params)} == {np.dtype("f")}
    found.append(jax.device_get(state.opt_state.mu))
  networks.assert_same(*found, ROUNDING)
