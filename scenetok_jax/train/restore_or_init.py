"""Where a run starts."""

import dataclasses
import functools
import sys
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.convert.load import take_fitting
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.train import state as states
from scenetok_jax.train.hang import at
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.task import Task
from scenetok_jax.types import Array, SceneBatch
from scenetok_jax.workdir.checkpoint import Checkpointer, restore_params


class DataIterator(Protocol):
  """What the loop needs of a data stream."""

  identity: str  # of what it reads, wherever that lies

  def __next__(self) -> SceneBatch: ...
  def get_state(self) -> dict[str, int]: ...
  def set_state(self, state: dict[str, int]) -> None: ...


def restore_or_init(
  config: ConfigDict,
  task: Task,
  optimizer: Optimizer,
  key: Array,
  mesh: Mesh,
  checkpointer: Checkpointer,
  data: DataIterator,
) -> states.TrainState:
  """The state a run starts from, and the stream set to it.

  1. its own workdir, exactly where it stopped;
  2. config.restore, the parameters of another run: exactly these networks,
     or with config.restore_partial what fits (convert.load.take_fitting);
  3. scratch.
  """
  target = states.abstract(task.init, optimizer, key, mesh)
  if (step := checkpointer.latest_step()) is not None:
    at(f"the restore of checkpoint {checkpointer.folder / str(step)}")
    state, data_state = _restore(checkpointer, target)
    data.set_state(data_state)
    return state
  at(f"the start from {config.restore or 'scratch'}")
  if not config.restore:
    return states.create(task.init, optimizer, key, mesh)
  if config.restore_partial:
    params = _fitting_params(config.restore, task, key, mesh)
  else:
    params = restore_params(config.restore, target=target.params, mesh=mesh)
  fresh = functools.partial(states.at_start, optimizer=optimizer)
  return states.on_mesh(fresh, params, mesh)


def _restore(checkpointer: Checkpointer, target: states.TrainState) -> Any:
  """The newest sound checkpoint; old ones hold one count of Adam's steps.

  It becomes that of each parameter.
  """
  counts = target.opt_state.count

  def adapt(shapes: Any, target: states.TrainState) -> states.TrainState:
    if isinstance(shapes["opt_state"]["count"], dict):
      return target
    one = target.opt_state._replace(count=jax.tree.leaves(counts)[0])
    return dataclasses.replace(target, opt_state=one)

  state, data = checkpointer.restore(target, adapt)
  one = state.opt_state
  if not isinstance(one.count, dict):
    # Copies: two leaves must never share a donated buffer.
    each = jax.tree.map(lambda _: jnp.copy(one.count), counts)
    state = dataclasses.replace(state, opt_state=one._replace(count=each))
  return state, data


def _fitting_params(folder: str, task: Task, key: Array, mesh: Mesh) -> Any:
  """Fresh parameters with what fits of another run's; says what did not."""
  fresh = states.on_mesh(task.init, key, mesh)
  partial = take_fitting(fresh, restore_params(folder, mesh=mesh), folder)
  if is_lead():
    for line in partial.lines():
      print(f"{folder}: {line}", file=sys.stderr)
  return place_params(partial.params, mesh)
