"""The one training loop, for both stages."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from scenetok_jax.parallel.mesh import check_batch, make_mesh
from scenetok_jax.parallel.rules import place_params, put_batch
from scenetok_jax.parallel.runtime import is_lead, release_freed_memory
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.device_batches import DataIterator, DeviceBatches
from scenetok_jax.train.flops import count_flops, peak_flops_per_second
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.guards import LossWatch, NonFiniteGuard
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.overview import write_overview
from scenetok_jax.train.preemption import PreemptionWatch
from scenetok_jax.train.profile import Profiler
from scenetok_jax.train.restore_or_init import restore_or_init
from scenetok_jax.train.state import TrainState
from scenetok_jax.train.step import jit_step, make_step
from scenetok_jax.train.task import Task
from scenetok_jax.train.writer import MetricWriter
from scenetok_jax.types import Array, SceneBatch
from scenetok_jax.workdir.checkpoint import Checkpointer
from scenetok_jax.workdir.lock import lock
from scenetok_jax.workdir.stored_config import compare_config, store_config

# (parameters, step) -> scores; None where they failed, which has been told.
Evaluate = Callable[[Any, int], dict[str, Any] | None]
# (what checks the lease of the workdir) -> keeps a record of this life.
KeepLife = Callable[
  [Callable[[], None]], contextlib.AbstractContextManager[Any]
]


@dataclasses.dataclass(frozen=True)
class _Run:
  """What the loop works with; step dispatches one."""

  config: ConfigDict
  workdir: str
  batches: DeviceBatches
  activity: Activity
  checkpointer: Checkpointer
  preemption: PreemptionWatch
  writer: MetricWriter
  profiler: Profiler
  check_lease: Callable[[], None]
  step: Callable[[TrainState, SceneBatch], tuple[TrainState, dict[str, Array]]]
  draw: Callable[[str], None] | None


def train(
  config: ConfigDict,
  workdir: str,
  task: Task,
  open_data: Callable[[], DataIterator],
  evaluate: Evaluate | None = None,
  describe: Callable[[DataIterator], dict[str, Any]] | None = None,
  activity: Activity | None = None,
  keep_life: KeepLife | None = None,
  draw: Callable[[str], None] | None = None,
) -> TrainState:
  """Trains to config.train.total_steps, resuming whatever workdir holds.

  workdir: for checkpoints, metrics and config.json. open_data: opens the batch
  stream at its start. evaluate: (params, step) -> scores to log, or None where
  they failed, every train.eval_every steps. describe: what config.json is to
  hold, of the stream; default: config. activity: is told what the loop is at.
  keep_life: is entered once nothing can be refused. draw: is given the workdir
  after each evaluation, where metrics are. Returns the final state; InputError
  for a workdir of another config, in use, or unreadable.
  """
  mesh = make_mesh(dict(config.mesh))
  check_batch(config.data.batch_size, config.train.accumulate, mesh.shape)
  reduction = Reduction.of(config, mesh.shape)
  # Outside the mesh, whose devices would all multiply at the same time. CPU
  # devices share one machine.
  devices = 1 if jax.default_backend() == "cpu" else mesh.size
  peak = devices * peak_flops_per_second(config.dtype)
  with contextlib.ExitStack() as stack:
    activity = activity or stack.enter_context(Activity())
    stack.enter_context(jax.set_mesh(mesh))
    check_lease = stack.enter_context(lock(workdir))
    preemption = stack.enter_context(PreemptionWatch())
    compare_config(workdir, config.to_dict())
    activity.at("the data")
    data = open_data()
    settings = describe(data) if describe else config.to_dict()
    checkpointer = stack.enter_context(
      Checkpointer(
        workdir,
        config.train.checkpoint_every,
        config.train.checkpoint_keep,
        config.train.checkpoint_permanent_every,
      )
    )
    optimizer = Optimizer.of(config)
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    state = restore_or_init(
      config, task, optimizer, init_key, mesh, checkpointer, data, activity
    )
    activity.first_step = activity.last_step = int(state.step)
    batches = DeviceBatches(data, lambda batch: put_batch(batch, mesh))
    stack.callback(batches.close)
    activity.at("the first batch", "data_wait")
    example = batches.peek()
    activity.at("the first step", "start")
    frozen = place_params(task.frozen, mesh)
    step = make_step(
      task, optimizer, config.train.accumulate, reduction, config.dtype
    )
    flops = count_flops(step, state, frozen, example, step_key)
    # Stored only now: a mistake above must not pin the workdir to itself.
    store_config(workdir, settings)
    if keep_life is not None:
      stack.enter_context(keep_life(check_lease))
    if is_lead():
      write_overview(workdir, state.params, config)
    writer = stack.enter_context(
      MetricWriter(workdir, config, activity, flops / peak)
    )
    profiler = Profiler(workdir, config.train.profile)
    stack.callback(profiler.close)
    jitted = jit_step(step, state, mesh, flops)

    def dispatch(state: TrainState, batch: SceneBatch) -> Any:
      # A value of the host in its arguments would be copied at every step.
      with jax.transfer_guard("disallow"):
        return jitted(state, frozen, batch, step_key)

    run = _Run(
      config, workdir, batches, activity, checkpointer, preemption, writer,
      profiler, check_lease, dispatch, draw,
    )  # fmt: skip
    return _loop(run, state, evaluate)


def _loop(
  run: _Run, state: TrainState, evaluate: Evaluate | None
) -> TrainState:
  """Next batch, dispatch, log the step before, save, evaluate."""
  config, options, writer = run.config, run.config.train, run.writer
  activity, batches = run.activity, run.batches
  start, total = int(state.step), options.total_steps

  def due(step: int, every: int) -> bool:
    return every > 0 and (step % every == 0 or step == total)

  def evaluates(step: int) -> bool:
    return evaluate is not None and due(step, options.eval_every)

  def score(step: int) -> None:
    assert evaluate is not None
    # The moving average where there is one.
    params = state.params if state.ema is None else state.ema
    activity.at(f"the evaluation of step {step}", "evaluation")
    scores = evaluate(params, step)
    if scores is not None:
      writer.write_eval(step, scores)

  guard, watch = NonFiniteGuard(run.workdir, config), LossWatch()

  def save(step: int, last: bool) -> None:
    params = {"params": state.params, "ema": state.ema}
    if guard.worth_saving(step, params, step == total) or last:
      run.checkpointer.save(
        step, state, batches.get_state(), config.to_dict(), force=last
      )

  # Of the step before: reading metrics sooner would wait for the device.
  held: list[tuple[int, dict[str, Array]]] = []

  def flush() -> None:
    while held:
      step, metrics = jax.device_get(held.pop())
      activity.last_step = step
      if due(step, options.log_every):
        writer.write(step, metrics)
      guard.see(step, metrics)
      watch.see(step, metrics["loss"].item())

  if start > 0 and evaluates(start) and not writer.evaluated(start):
    # The run was stopped where it should have evaluated.
    score(start)
  for step in range(start + 1, total + 1):
    if not batches.ready():
      # A wait for data costs nothing while the devices are at work.
      jax.block_until_ready(held)
    activity.at(f"the data of step {step}", "data_wait")
    batch = next(batches)
    activity.at(f"step {step}", "step")
    run.profiler.before(step)
    state, metrics = run.step(state, batch)
    run.profiler.after(step, metrics)
    # Another run may have taken the workdir.
    run.check_lease()
    flush()
    held.append((step, metrics))
    stops = run.preemption.now(step, run.checkpointer)
    last = stops or step == total
    # The time to stop in is for saving; the next start evaluates.
    scores = evaluates(step) and not stops
    saves = last or run.checkpointer.should_save(step)
    if scores or saves:
      # A kill right after a save must not lose the row of its step.
      flush()
      writer.flush()
    # In this order: whatever an evaluation costs, the step is kept.
    if saves:
      activity.at(f"the save of step {step}", "save")
      save(step, last)
    if scores:
      score(step)
    if run.draw is not None and (scores or last) and is_lead():
      run.draw(run.workdir)
    if scores or saves:
      release_freed_memory()
    if last:
      break
  activity.at("the end", "save")
  while not run.checkpointer.wait():
    save(step, last=True)
  return state
