"""The one training loop, for both stages."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import (
  check_batch,
  param_shardings,
  put_batch,
)
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.train.curves import draw_curves
from scenetok_jax.train.deferred_metrics import DeferredMetrics, NonFiniteGuard
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.matmul_benchmark import matmul_flops_per_second
from scenetok_jax.train.optimizer import OptimizerConfig, make_optimizer
from scenetok_jax.train.overview import write_overview
from scenetok_jax.train.preemption import PreemptionWatch
from scenetok_jax.train.profile import Profiler
from scenetok_jax.train.restore_or_init import DataIterator, start
from scenetok_jax.train.state import TrainState
from scenetok_jax.train.step import jit_step, make_step
from scenetok_jax.train.task import Task
from scenetok_jax.train.writer import MetricWriter
from scenetok_jax.types import SceneBatch
from scenetok_jax.workdir.checkpoint import Checkpointer
from scenetok_jax.workdir.lock import lock
from scenetok_jax.workdir.stored_config import compare_config, store_config

MAX_NONFINITE = 100  # default of train.max_nonfinite
Evaluate = Callable[[Any, int], dict[str, float]]


def train(
  config: ConfigDict,
  workdir: str,
  task: Task,
  open_data: Callable[[], DataIterator],
  evaluate: Evaluate | None = None,
) -> TrainState:
  """Trains to config.train.total_steps, resuming whatever workdir holds.

  Args:
    config: the run's configuration.
    workdir: checkpoints, metrics and config.json live here.
    task: the stage.
    open_data: opens the batch stream at its start.
    evaluate: (params, step) -> scores to log, every train.eval_every steps.

  Returns:
    The final state.

  Raises:
    InputError: a workdir of another config, in use, or unreadable.
  """
  mesh = make_mesh(dict(config.mesh))
  check_batch(config.data.batch_size, config.train.accumulate, mesh)
  # Outside the mesh, whose devices would all multiply at the same time.
  peak = _peak_flops(config.dtype, mesh)
  optimizer = make_optimizer(OptimizerConfig.of(config))
  init_key, step_key = jax.random.split(jax.random.key(config.seed))
  options = config.train
  with (
    jax.set_mesh(mesh),
    lock(workdir),
    PreemptionWatch() as stop,
    contextlib.ExitStack() as stack,
  ):
    compare_config(workdir, config.to_dict())
    data = open_data()
    # Refused here if the mesh does not divide it, before anything compiles.
    example = put_batch(_peek(data), mesh)
    checkpointer = stack.enter_context(
      Checkpointer(workdir, options.checkpoint_every, options.checkpoint_keep)
    )
    state = start(config, task, optimizer, init_key, mesh, checkpointer, data)
    frozen = jax.device_put(task.frozen, param_shardings(task.frozen, mesh))
    pure_step = make_step(task, optimizer, options.accumulate)
    flops = count_flops(pure_step, state, frozen, example, step_key)
    # Stored only now: a mistake above must not pin the workdir to itself.
    store_config(workdir, config.to_dict())
    write_overview(workdir, state.params)
    first = int(state.step) + 1
    writer = stack.enter_context(
      MetricWriter(
        workdir,
        options.total_steps,
        first - 1,
        batch_size=config.data.batch_size,
        step_flops=flops,
        peak_flops=peak,
        wandb=options.get("wandb", ""),
        config=config.to_dict(),
      )
    )
    guard = NonFiniteGuard(
      workdir,
      options.get("max_nonfinite", MAX_NONFINITE),
      config.data.batch_size,
      config.optimizer.skip,
    )
    logs = functools.partial(_due, options=options, field="log_every")
    late = DeferredMetrics(writer.write, guard, logs)
    profiler = Profiler(workdir, options.get("profile", ""))
    stack.callback(profiler.close)
    step_fn = jit_step(pure_step, state, mesh, flops)
    if (
      evaluate is not None
      and first > 1
      and _due(first - 1, options, "eval_every")
      and not writer.evaluated(first - 1)
    ):
      # The run was stopped where it should have evaluated.
      writer.write_eval(first - 1, evaluate(averaged(state), first - 1))
    for step in range(first, options.total_steps + 1):
      batch = put_batch(next(data), mesh)
      profiler.before(step)
      state, metrics = step_fn(state, frozen, batch, step_key)
      profiler.after(step, metrics)
      # A save that failed in the background ends the run here.
      checkpointer.check()
      late.put(step, metrics)
      stopping = stop.now(step, checkpointer)
      last = stopping or step == options.total_steps
      # The time to stop in is for saving; the next start evaluates.
      evaluates = (
        evaluate is not None
        and not stopping
        and _due(step, options, "eval_every")
      )
      saves = last or checkpointer.should_save(step)
      if evaluates or saves:
        # A kill right after a save must not lose the row of its step.
        late.flush()
        saves = saves and not guard.spoilt
      with writer.pause():
        if evaluate is not None and evaluates:
          writer.write_eval(step, evaluate(averaged(state), step))
        if saves:
          checkpointer.save(
            step, state, data.get_state(), config.to_dict(), force=last
          )
        if (evaluates or last) and is_lead():
          draw_curves(workdir)
      if last:
        break
    checkpointer.wait()
    return state


def _peak_flops(dtype: str, mesh: jax.sharding.Mesh) -> float:
  """Measured matmul FLOP/s of the mesh; CPU devices share one machine."""
  shared = jax.default_backend() == "cpu"
  return matmul_flops_per_second(dtype) * (1 if shared else mesh.size)


def averaged(state: TrainState) -> Any:
  """The parameters to evaluate: the moving average where there is one."""
  return state.params if state.ema is None else state.ema


def _peek(data: DataIterator) -> SceneBatch:
  """The next batch, which is put back."""
  before = data.get_state()
  batch = next(data)
  data.set_state(before)
  return batch


def _due(step: int, options: ConfigDict, field: str) -> bool:
  every = options[field]
  return every > 0 and (step % every == 0 or step == options.total_steps)
