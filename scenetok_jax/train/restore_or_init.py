"""Where a run starts: in its workdir, with other weights, or from scratch."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.convert.fitting import take_fitting
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.shown import remark
from scenetok_jax.train import state as states
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.device_batches import DataIterator
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.task import Task
from scenetok_jax.types import Array, InputError
from scenetok_jax.workdir.checkpoint import (
  Checkpointer,
  has_averages,
  restore_params,
)


def restore_or_init(
  config: ConfigDict,
  task: Task,
  optimizer: Optimizer,
  key: Array,
  mesh: Mesh,
  checkpointer: Checkpointer,
  data: DataIterator,
  activity: Activity,
) -> states.TrainState:
  """The state a run starts from, and the stream set to it.

  1. its own workdir, exactly where it stopped;
  2. config.restore, the parameters of another run: exactly these networks,
     or with config.restore_partial what fits (convert.fitting), of its moving
     averages with config.restore_ema;
  3. scratch.
  """
  target = states.abstract(task.init, optimizer, key, mesh)
  if (step := checkpointer.latest_step()) is not None:
    folder = checkpointer.folder / str(step)
    activity.at(f"the restore of checkpoint {folder}", "restore")
    state, data_state = _restore(checkpointer, target)
    data.set_state(data_state)
    return state
  kind = "restore" if config.restore else "start"
  activity.at(f"the start from {config.restore or 'scratch'}", kind)
  if not config.restore:
    return states.create(task.init, optimizer, key, mesh)
  item = start_item(config)
  if config.restore_partial:
    params = _fitting_params(config.restore, item, task, key, mesh)
  else:
    params = restore_params(
      config.restore, item=item, target=target.params, mesh=mesh
    )
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


def start_item(config: ConfigDict) -> str:
  """Which parameters of config.restore a run starts from: params or ema.

  Says where averages are there and nothing was chosen. InputError where they
  are asked for and are not there.
  """
  folder, chosen = config.restore, config.get("restore_ema")
  averages = has_averages(folder)
  if chosen and not averages:
    raise InputError(
      f"{folder}: config.restore_ema: no moving averages in it; leave it out"
    )
  if averages and chosen is None and is_lead():
    remark(
      f"{folder}: its moving averages are not taken;"
      " --config.restore_ema=True starts from them"
    )
  return "ema" if chosen else "params"


def _fitting_params(
  folder: str, item: str, task: Task, key: Array, mesh: Mesh
) -> Any:
  """Fresh parameters with what fits of another run's; says what did not."""
  fresh = states.on_mesh(task.init, key, mesh)
  found = restore_params(folder, item=item, mesh=mesh)
  partial = take_fitting(fresh, found, folder)
  if is_lead():
    for line in partial.lines():
      remark(f"{folder}: {line}")
  return place_params(partial.params, mesh)
