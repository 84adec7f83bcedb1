"""The one training loop, for both stages."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, Self

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from scenetok_jax.convert.load import take_fitting
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import param_shardings, put_batch
from scenetok_jax.parallel.runtime import is_lead, quick_compile_options
from scenetok_jax.train import gradients as grads_lib
from scenetok_jax.train import workdir as workdir_lib
from scenetok_jax.train.checkpoint import Checkpointer, restore_params
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.optimizer import (
  Optimizer,
  OptimizerConfig,
  make_optimizer,
)
from scenetok_jax.train.peak import measured_matmul_peak
from scenetok_jax.train.state import (
  TrainState,
  abstract,
  apply_gradients,
  create,
  start_from,
)
from scenetok_jax.train.task import Task
from scenetok_jax.train.writer import MetricWriter
from scenetok_jax.types import Array, SceneBatch


class DataIterator(Protocol):
  """What the loop needs of a data stream."""

  def __next__(self) -> SceneBatch: ...

  def get_state(self) -> dict[str, int]: ...

  def set_state(self, state: dict[str, int]) -> None: ...


Evaluate = Callable[[Any, int], dict[str, float]]


def optimizer_of(config: ConfigDict) -> Optimizer:
  """The optimizer of a configuration."""
  fields = dict(config.optimizer)
  fields["milestones"] = tuple(fields["milestones"])
  frozen: tuple[tuple[str, int], ...] = ()
  if config.stage == "tokenizer":
    frozen = (("tokenizer", config.train.freeze_after),)
  return make_optimizer(OptimizerConfig(**fields, frozen=frozen))


def make_step(
  task: Task, optimizer: Optimizer, accumulate: int = 1
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
  """(state, frozen, batch, key) -> (state, metrics); pure, not yet jitted.

  Every draw comes from fold_in(key, state.step), so a resumed run draws the
  same numbers.
  """

  def step(
    state: TrainState, frozen: Any, batch: SceneBatch, key: Array
  ) -> tuple[TrainState, dict[str, Array]]:
    def mean_loss(
      params: Any, batch: SceneBatch, key: Array
    ) -> tuple[Array, tuple[dict[str, Array], dict[str, Array]]]:
      out = task.loss(params, frozen, batch, key, state.step)
      means = {name: jnp.mean(x) for name, x in out.metrics.items()}
      used = {
        p: 1.0 - flag.astype(jnp.float32) for p, flag in out.absent.items()
      }
      loss = jnp.mean(out.loss)
      return loss, ({"loss": loss, **means}, used)

    def value_and_grad(
      params: Any, batch: SceneBatch, key: Array
    ) -> tuple[Any, Any]:
      gradient = jax.value_and_grad(mean_loss, has_aux=True)
      (_, values), grads = gradient(params, batch, key)
      return values, grads

    (metrics, used), grads = grads_lib.accumulate(
      value_and_grad,
      state.params,
      batch,
      jax.random.fold_in(key, state.step),
      accumulate,
    )
    # Absent only where no micro-batch used it.
    absent = {prefix: share == 0 for prefix, share in used.items()}
    state, optimizer_metrics = apply_gradients(state, grads, optimizer, absent)
    return state, {**metrics, **optimizer_metrics}

  return step


def jit_step(
  step: Callable[..., Any], state: TrainState, mesh: jax.sharding.Mesh
) -> Any:
  """make_step's function as runs compile it: state donated and placed."""
  return jax.jit(
    step,
    donate_argnums=0,
    out_shardings=(param_shardings(state, mesh), None),
    compiler_options=quick_compile_options(mesh.devices.flat[0].platform),
  )


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
  optimizer = optimizer_of(config)
  init_key, step_key = jax.random.split(jax.random.key(config.seed))
  options = config.train
  with (
    jax.set_mesh(mesh),
    workdir_lib.lock(workdir),
    StopRequest() as stop,
    contextlib.ExitStack() as stack,
  ):
    workdir_lib.compare_config(workdir, config.to_dict())
    data = open_data()
    # Refused here if the mesh does not divide it, before anything compiles.
    put_batch(_peek(data), mesh)
    checkpointer = stack.enter_context(
      Checkpointer(workdir, options.checkpoint_every, options.checkpoint_keep)
    )
    state = _start(config, task, optimizer, init_key, mesh, checkpointer, data)
    frozen = jax.device_put(task.frozen, param_shardings(task.frozen, mesh))
    step_fn = make_step(task, optimizer, options.accumulate)
    start = int(state.step)
    flops = _step_flops(step_fn, state, frozen, data, step_key)
    # Stored only now: a mistake above must not pin the workdir to itself.
    workdir_lib.check_config(workdir, config.to_dict())
    writer = stack.enter_context(
      MetricWriter(
        workdir,
        options.total_steps,
        start,
        batch_size=config.data.batch_size,
        step_flops=flops,
        peak_flops=_peak_flops(config.dtype, mesh),
      )
    )
    step_fn = jit_step(step_fn, state, mesh)
    logged: tuple[int, dict[str, Array]] | None = None
    for step in range(start + 1, options.total_steps + 1):
      batch = put_batch(next(data), mesh)
      state, metrics = step_fn(state, frozen, batch, step_key)
      # One step late: reading these would wait for the step just dispatched.
      _log(writer, logged)
      logged = (step, metrics) if _due(step, options, "log_every") else None
      last = stop.requested or step == options.total_steps
      evaluates = evaluate is not None and _due(step, options, "eval_every")
      saves = last or checkpointer.should_save(step)
      if evaluates or saves:
        # A kill right after a save must not lose the row of its step.
        _log(writer, logged)
        logged = None
      with writer.pause():
        if evaluate is not None and evaluates:
          writer.write_eval(step, evaluate(averaged(state), step))
        if saves:
          checkpointer.save(
            step, state, data.get_state(), config.to_dict(), force=last
          )
      if last:
        break
    checkpointer.wait()
    return state


def _peak_flops(dtype: str, mesh: jax.sharding.Mesh) -> float:
  """Measured matmul FLOP/s of the mesh; CPU devices share one machine."""
  shared = jax.default_backend() == "cpu"
  return measured_matmul_peak(dtype) * (1 if shared else mesh.size)


def averaged(state: TrainState) -> Any:
  """The parameters to evaluate: the moving average where there is one."""
  return state.params if state.ema is None else state.ema


def _start(
  config: ConfigDict,
  task: Task,
  optimizer: Optimizer,
  key: Array,
  mesh: jax.sharding.Mesh,
  checkpointer: Checkpointer,
  data: DataIterator,
) -> TrainState:
  """Where a run starts, and the stream with it.

  1. its own workdir, exactly where it stopped;
  2. config.restore, the parameters of another run: exactly these networks,
     or with config.restore_partial what fits (convert.load.take_fitting);
  3. scratch.
  """
  if checkpointer.latest_step() is not None:
    target = abstract(task.init, optimizer, key, mesh)
    state, data_state = checkpointer.restore(target)
    data.set_state(data_state)
    return state
  if not config.restore:
    return create(task.init, optimizer, key, mesh)
  if config.get("restore_partial"):
    params = _fitting_params(config.restore, task, key, mesh)
  else:
    target = abstract(task.init, optimizer, key, mesh).params
    params = restore_params(config.restore, target=target, mesh=mesh)
  return start_from(params, optimizer, mesh)


def _fitting_params(
  folder: str, task: Task, key: Array, mesh: jax.sharding.Mesh
) -> Any:
  """Fresh parameters with what fits of another run's; says what did not."""
  options = quick_compile_options(mesh.devices.flat[0].platform)
  shardings = param_shardings(jax.eval_shape(task.init, key), mesh)
  fresh = jax.jit(task.init, out_shardings=shardings, compiler_options=options)(
    key
  )
  partial = take_fitting(fresh, restore_params(folder, mesh=mesh), folder)
  if is_lead():
    for line in partial.lines():
      print(f"{folder}: {line}", file=sys.stderr)
  return jax.device_put(partial.params, shardings)


def _step_flops(
  step: Callable[..., Any],
  state: TrainState,
  frozen: Any,
  data: DataIterator,
  key: Array,
) -> float:
  """FLOPs of one step, from the shapes of its batch."""
  count = count_flops(step, state, frozen, _peek(data), key)
  return count * jax.process_count()


def _peek(data: DataIterator) -> SceneBatch:
  """The next batch, which is put back."""
  before = data.get_state()
  batch = next(data)
  data.set_state(before)
  return batch


def _due(step: int, options: ConfigDict, field: str) -> bool:
  every = options[field]
  return every > 0 and (step % every == 0 or step == options.total_steps)


def _log(
  writer: MetricWriter, logged: tuple[int, dict[str, Array]] | None
) -> None:
  if logged is not None:
    writer.write(*logged)


class StopRequest:
  """SIGTERM asks for a last checkpoint instead of killing the run."""

  def __init__(self) -> None:
    self.requested = False
    self._previous: Any = None

  def __enter__(self) -> Self:
    # Signals reach only the main thread; elsewhere nothing can be caught.
    if threading.current_thread() is threading.main_thread():
      self._previous = signal.signal(signal.SIGTERM, self._request)
    return self

  def __exit__(self, *_: object) -> None:
    if self._previous is not None:
      signal.signal(signal.SIGTERM, self._previous)

  def _request(self, *_: object) -> None:
    self.requested = True
