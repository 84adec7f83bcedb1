"""A training step whose devices share examples equals that of one device."""

import jax
import numpy as np
import pytest

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import cost
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import param_shardings, place_params
from scenetok_jax.train import state as train_state
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.step import make_step
from tests import networks
from tests.train.gradients_test import stage


@pytest.mark.slow
def test_a_step_over_the_sequence_axis_equals_that_of_one_device():
  config, model, task = stage("rooms.py:smoke")
  optimizer = Optimizer.of(config)
  params, found = networks.drawn(task.init), []
  for mesh in (
    make_mesh(devices=jax.devices()[:1]),
    make_mesh({"data": 2, "fsdp": 2, "sequence": 2}),
  ):
    with jax.set_mesh(mesh):
      batch = networks.scenes(config, model, mesh)
      state = place_params(train_state.at_start(params, optimizer), mesh)
      step = jax.jit(
        make_step(task, optimizer, 1),
        out_shardings=(param_shardings(state, mesh), None),
        compiler_options={"xla_backend_optimization_level": 0},
      )
      arguments = state, task.frozen, batch, jax.random.key(0)
      compiled = step.lower(*arguments).compile()
      state, metrics = compiled(*arguments)
      found.append(jax.device_get((state.opt_state.mu, metrics)))
  (one, one_metrics), (shared, metrics) = found
  assert np.isfinite(metrics["loss"]) and metrics["grad_norm"] > 0
  for name in ("loss", "grad_norm"):
    np.testing.assert_allclose(metrics[name], one_metrics[name], rtol=1e-5)
  networks.assert_same(shared, one, 1e-4)
  kinds = {c.kind for c in cost(parse(compiled.as_text())).collectives}
  assert "all-to-all" in kinds
