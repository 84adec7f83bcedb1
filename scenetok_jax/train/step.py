"""One training step: loss, gradients, optimiser; pure, then jitted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.parallel.rules import param_shardings
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.train.gradients import accumulate
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import TrainState, apply_gradients
from scenetok_jax.train.task import Task
from scenetok_jax.types import Array, SceneBatch

# FLOPs of a step, about a second on a CPU, from which a slower compilation
# pays: LLVM's first level leaves norms and softmax unvectorised.
_LARGE_STEP = 1e11


def make_step(
  task: Task, optimizer: Optimizer, micro_batches: int = 1
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
  """(state, frozen, batch, key) -> (state, metrics); pure, not yet jitted.

  Every draw comes from fold_in(key, state.step), so a resumed run draws the
  same numbers.
  """

  def step(
    state: TrainState, frozen: Any, batch: SceneBatch, key: Array
  ) -> tuple[TrainState, dict[str, Array]]:
    def mean_loss(params: Any, batch: SceneBatch, key: Array) -> Any:
      out = task.loss(params, frozen, batch, key, state.step)
      metrics = jax.tree.map(jnp.mean, {"loss": out.loss, **out.metrics})
      used = {p: 1.0 - flag.astype("float32") for p, flag in out.unused.items()}
      return metrics["loss"], (metrics, used)

    grads, (metrics, used) = accumulate(
      jax.grad(mean_loss, has_aux=True),
      state.params,
      batch,
      jax.random.fold_in(key, state.step),
      micro_batches,
    )
    # Unused only where no micro-batch used it.
    unused = {prefix: share == 0 for prefix, share in used.items()}
    state, optimizer_metrics = apply_gradients(state, grads, optimizer, unused)
    return state, {**metrics, **optimizer_metrics}

  return step


def jit_step(
  step: Callable[..., Any],
  state: TrainState,
  mesh: jax.sharding.Mesh,
  flops: int,
) -> Any:
  """make_step's function as runs compile it: state donated and placed.

  flops: of a step over all devices. Small ones are compiled quickly on CPU.
  """
  platform = mesh.devices.flat[0].platform
  options = quick_compile_options(platform) if flops < _LARGE_STEP else {}
  return jax.jit(
    step,
    donate_argnums=0,
    out_shardings=(param_shardings(state, mesh), None),
    compiler_options=options,
  )
