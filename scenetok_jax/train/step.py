"""One training step: loss, gradients, optimiser; pure, then jitted."""

import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.parallel.rules import (
  param_shardings,
  parted,
  path_name,
  whole,
)
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.train.gradients import Reduction, accumulate, accumulate_apart
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import TrainState, apply_gradients
from scenetok_jax.train.task import StepLoss, Task
from scenetok_jax.types import Array, SceneBatch

# FLOPs of a step, about a second on a CPU, from which a slower compilation
# pays: LLVM's first level leaves norms and softmax unvectorised.
_LARGE_STEP = 1e11


def make_step(
  task: Task,
  optimizer: Optimizer,
  micro_batches: int = 1,
  reduction: Reduction | None = None,
  dtype: Any = jnp.float32,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
  """(state, frozen, batch, key) -> (state, metrics); pure, not yet jitted.

  Every draw comes from fold_in(key, state.step), so a resumed run draws the
  same numbers. reduction: of gradients over devices, None: the compiler's; with
  one the task must have parts, and the step runs on a mesh. dtype: in which
  blocks compute, and to which their kernels are cast: once, before they are
  gathered from the replicas.
  """
  if reduction is not None and task.parts is None:
    raise ValueError("make_step: a reduction needs a task with parts")

  def step(
    state: TrainState, frozen: Any, batch: SceneBatch, key: Array
  ) -> tuple[TrainState, dict[str, Array]]:
    key = jax.random.fold_in(key, state.step)
    grads, (metrics, used) = gradients(state, frozen, batch, key)
    # Unused only where no micro-batch used it.
    unused = {prefix: share == 0 for prefix, share in used.items()}
    state, optimizer_metrics = apply_gradients(state, grads, optimizer, unused)
    return state, {**metrics, **optimizer_metrics}

  def gradients(
    state: TrainState, frozen: Any, batch: SceneBatch, key: Array
  ) -> Any:
    def mean_loss(params: Any, batch: SceneBatch, key: Array) -> Any:
      return _means(task.loss(params, frozen, batch, key, state.step))

    def parted_gradients(params: Any, batch: SceneBatch, key: Array) -> Any:
      found, logged = jax.grad(mean_loss, has_aux=True)(params, batch, key)
      return parted(jax.tree.map(_float32, found)), logged

    if reduction is None or task.parts is None:
      # Parts are cast: what is sent is of that type.
      params = whole(parted(cast_kernels(state.params, dtype)))
      return accumulate(parted_gradients, params, batch, key, micro_batches)
    parts = task.parts

    def mean_of_drawn(params: Any, shared: Any, drawn: Any) -> Any:
      frozen, step = shared
      return _means(parts.loss(params, frozen, drawn, step))

    return accumulate_apart(
      jax.grad(mean_of_drawn, has_aux=True),
      functools.partial(parts.draw, frozen),
      whole(state.params), (frozen, state.step), batch, key, micro_batches,
      reduction,
    )  # fmt: skip

  return step


def cast_kernels(params: Any, dtype: Any) -> Any:
  """Parameters in which the kernels of blocks have the type of their products.

  Layers cast them, too: values and gradients stay the same.
  """

  def cast(path: Any, leaf: Array) -> Array:
    kernel = re.search(r"(^|/)blocks/.*\bkernel$", path_name(path))
    return leaf.astype(dtype) if kernel else leaf

  return jax.tree_util.tree_map_with_path(cast, params)


def _float32(x: Array) -> Array:
  return x.astype(jnp.float32)


def _means(out: StepLoss) -> tuple[Array, tuple[Any, Any]]:
  """Mean loss; means of what is logged, and 1 for each sub-tree used."""
  metrics = jax.tree.map(jnp.mean, {"loss": out.loss, **out.metrics})
  used = {p: 1.0 - flag.astype("float32") for p, flag in out.unused.items()}
  return metrics["loss"], (metrics, used)


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
