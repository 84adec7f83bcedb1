"""Checkpoints: three items per step (state, data, config), through Orbax."""

import itertools
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from etils import epath
from jax.sharding import Mesh
from orbax.checkpoint import checkpoint_managers as policies

from scenetok_jax.convert.compact import PARAMS_FILE, load_compact
from scenetok_jax.convert.engine import check_finite
from scenetok_jax.io import fetched, kept, locate
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.replicas import copy_to_replicas, on_first_replica
from scenetok_jax.parallel.rules import place_params, placed_shapes
from scenetok_jax.parallel.runtime import gather_bytes, is_lead
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import InputError
from scenetok_jax.workdir import places, stored
from scenetok_jax.workdir.lock import make_folder
from scenetok_jax.workdir.stored import PathLike

ATTEMPTS = 3  # failed saves in a row that end a run
# Steps between; of several processes, Orbax holds steps as int32.
_NEVER = 2**31 - 1
PAUSE = 2.0  # seconds before the state at a run's end is saved again
# TensorStore's are ValueErrors; the last is another process's.
_FAILURES = (OSError, ValueError, jax.errors.JaxRuntimeError)


class Checkpointer:
  """Asynchronous saves below WORKDIR/checkpoints.

  A checkpoint becomes visible only when it is complete; what a killed run
  left half-written is removed here. A save that fails is told and followed by
  another. Usable as a context manager.
  """

  def __init__(
    self, workdir: PathLike, every: int, keep: int = 2, permanent_every: int = 0
  ) -> None:
    """Saves every so many steps; keeps the newest, and some for ever."""
    if every < 1 or keep < 1 or permanent_every < 0:
      raise InputError(
        "config: train.checkpoint_every, _keep and _permanent_every:"
        f" {every}, {keep} and {permanent_every} must be at least 1, 1 and 0"
      )
    self.folder = stored.checkpoints(workdir)
    # A failed save is found, and followed by another, at multiples of this.
    self._soon = max(1, every // 10)
    self._saving, self._failed = False, 0  # not known to be done; in a row
    if is_lead():
      make_folder(self.folder)
      self._remove_halves()
    permanent = min(permanent_every or _NEVER, _NEVER)
    options = ocp.CheckpointManagerOptions(
      save_decision_policy=policies.AnySavePolicy(
        [
          policies.PreemptionCheckpointingPolicy(),
          policies.FixedIntervalPolicy(every),
          policies.FixedIntervalPolicy(permanent),
        ]
      ),
      preservation_policy=policies.AnyPreservationPolicy(
        [policies.LatestN(keep), policies.EveryNSteps(permanent)]
      ),
      # One process lists the folder: all know the same steps.
      single_host_load_and_broadcast=True,
    )
    self._manager = ocp.CheckpointManager(self.folder, options=options)

  def _remove_halves(self) -> None:
    """Removes what killed or failed saves left."""
    for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
      shutil.rmtree(path, ignore_errors=True)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *_: object) -> None:
    """Waits for pending saves and frees the threads."""
    with kept(self.folder):
      self._manager.close()

  def latest_step(self) -> int | None:
    """Step of the newest complete checkpoint, None when there is none."""
    return self._manager.latest_step()

  def should_save(self, step: int) -> bool:
    """True when save(step, ...) would write; all processes must ask alike.

    At the interval, at preemption, and soon after a save that failed.
    """
    soon = step % self._soon == 0
    if soon and self._saving:
      busy = self._manager.is_saving_in_progress()
      if not any(gather_bytes(b"1" if busy else b"")):
        self._settle()
    again = soon and self._failed > 0 and not self._saving
    due = again or self._manager.should_save(step)
    return due and step != self.latest_step()

  def preempted(self, step: int) -> bool:
    """True when the scheduler has announced that the job will be stopped."""
    return self._manager.reached_preemption(step)

  def save(
    self,
    step: int,
    state: Any,
    data_state: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    force: bool = False,
  ) -> bool:
    """Starts a save if one is due; the state may be donated afterwards.

    step: number of finished steps, equal to state.step. data_state, config:
    JSON-able. force: saves whatever the interval (never twice at one step).
    Returns whether a save was started; InputError where ATTEMPTS in a row have
    failed, for instance on a full disk.
    """
    if not (force or self.should_save(step)):
      return False
    self._settle()
    if step == self.latest_step():
      return False
    items = ocp.args.Composite(
      state=ocp.args.StandardSave(state),
      data=ocp.args.JsonSave(dict(data_state)),
      config=ocp.args.JsonSave(dict(config)),
    )
    # What is due has been decided: Orbax knows nothing of failed saves.
    with kept(self.folder):
      self._saving = self._manager.save(step, args=items, force=True)
    return self._saving

  def restore(
    self, target: Any, adapt: Callable[[Any, Any], Any] | None = None
  ) -> tuple[Any, dict[str, Any]]:
    """The state and the data iterator's state of the newest sound checkpoint.

    target: shapes, dtypes and shardings (train.state.abstract), on any mesh,
    device count or process count. adapt: (stored shapes, target) -> target, for
    older versions. Damaged newer ones are told and renamed to <step>.damaged.
    InputError where parameters do not match, or all are damaged.
    """

    def read(folder: pathlib.Path) -> Any:
      shapes = stored.shapes(folder / "state")
      wanted = adapt(shapes, target) if adapt else target
      stored.check_shapes(shapes, wanted, folder / "state")
      data = ocp.JsonCheckpointHandler().restore(epath.Path(folder / "data"))
      first = on_first_replica(wanted)
      return wanted, stored.arrays(folder / "state", first), data

    steps = self._manager.all_steps()
    newest = stored.newest_sound(self.folder, steps, read, gather_bytes)
    if is_lead():
      for step, why in newest.damaged.items():
        names = (f"{step}.damaged{n or ''}" for n in itertools.count())
        aside = next(x for x in names if not (self.folder / x).exists())
        (self.folder / str(step)).rename(self.folder / aside)
        going = f"it is now {aside}; going on from step {newest.step}"
        remark(f"{why}; {going}")
    if newest.damaged:
      self._manager.reload()
    wanted, state, data = newest.found
    if on_first_replica(wanted) is not wanted:
      state = copy_to_replicas(state, wanted)
    return state, dict(data)

  def wait(self) -> bool:
    """Blocks until pending saves are complete; False to save once more."""
    done = self._settle()
    if not done:
      time.sleep(PAUSE)
    return done

  def _settle(self) -> bool:
    """Waits for the last save; False where it failed in any process.

    That is told; InputError where ATTEMPTS in a row have failed.
    """
    if not self._saving:
      return True
    problem, self._saving = "", False
    try:
      self._manager.wait_until_finished()
    except _FAILURES as error:
      problem = stored.short(error)
    told = sorted(gather_bytes(problem.encode()))
    if not told[-1]:
      self._failed = 0
      return True
    self._failed += 1
    if is_lead():
      self._remove_halves()
    # Orbax has forgotten the steps that the failed one was to replace.
    self._manager.reload()
    why, newest = told[-1].decode(), self.latest_step() or "none"
    line = (
      f"{self.folder}: a checkpoint could not be written ({why}); free space"
      f" there; the last complete one is {newest}"
    )
    if self._failed == ATTEMPTS:
      raise InputError(line)
    if is_lead():
      again = f"{line}; saving again soon ({self._failed} of {ATTEMPTS} failed)"
      remark(again)
    return False


def restore_params(
  workdir: PathLike,
  *,
  item: str = "params",
  target: Any = None,
  mesh: Mesh | None = None,
) -> Any:
  """Parameters alone, for inference and frozen networks.

  workdir: a run's, one made by save_params, a folder with the compact file of
  convert.compact, or the name of the shipped one: rooms. item: "params", or
  "ema", which falls back to "params" when absent. target: abstract tree to
  check names and shapes against. mesh: where to put them, by the rule table;
  default all devices as data.

  Returns a nested dict of arrays of the latest checkpoint; floating-point ones
  in float32, whatever was stored. InputError without one, where it is damaged
  or not finite, or where it does not match the target.
  """
  mesh = mesh or make_mesh()

  def read(where: pathlib.Path, tree: dict[str, Any]) -> Any:
    name = item if tree.get(item) else "params"
    if target is not None:
      stored.check_shapes(tree[name], target, where)
    if where.is_file():
      check_finite(tree[name], where)
      return place_params(tree[name], mesh)

    def wanted(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
      floating = jnp.issubdtype(leaf.dtype, jnp.floating)
      return leaf.update(dtype=jnp.float32 if floating else leaf.dtype)

    places = jax.tree.map(wanted, placed_shapes(tree[name], mesh))
    found = stored.arrays(where, {name: places})[name]
    check_finite(found, where)
    return found

  return _newest(workdir, read).found


def has_averages(workdir: PathLike) -> bool:
  """Whether restore_params would find moving averages ("ema") there."""
  return bool(_newest(workdir, lambda where, tree: bool(tree.get("ema"))).found)


def check_params(workdir: PathLike, target: Any) -> None:
  """What restore_params checks against a target, without reading arrays."""
  _newest(
    workdir,
    lambda where, tree: stored.check_shapes(tree["params"], target, where),
  )


def save_params(
  workdir: PathLike, params: Any, config: Mapping[str, Any], step: int = 0
) -> None:
  """Writes parameters alone in a checkpoint that restore_params reads."""
  items = ocp.args.Composite(
    state=ocp.args.StandardSave({"params": params}),
    config=ocp.args.JsonSave(dict(config)),
  )
  with ocp.CheckpointManager(stored.checkpoints(workdir)) as manager:
    manager.save(step, args=items, force=True)
    manager.wait_until_finished()


def latest_step(workdir: PathLike) -> int:
  """Step of the newest complete checkpoint in a workdir, or InputError."""
  return _newest(workdir, lambda where, tree: None).step


def _newest(
  workdir: PathLike, read: Callable[[pathlib.Path, dict[str, Any]], Any]
) -> stored.Newest:
  """read(where, tree) of the newest state: its shapes, or a compact's arrays.

  A damaged one is an InputError that names a sound one: an older model than
  the newest is for the user to choose.
  """
  compact = locate(places.workdir(workdir)) / PARAMS_FILE
  if compact.is_file():
    with fetched(compact) as file:
      params, step = load_compact(file)
    return stored.Newest(step, read(compact, {"params": params}), {})
  folder, steps = stored.checkpoints(workdir), stored.complete_steps(workdir)
  if not steps:
    raise InputError(
      f"{folder}: no complete checkpoint there; train first, or give the"
      " workdir of a run"
    )

  def read_step(step: pathlib.Path) -> Any:
    return read(step / "state", stored.shapes(step / "state"))

  newest = stored.newest_sound(folder, steps, read_step)
  if newest.damaged:
    raise InputError(
      f"{'; '.join(newest.damaged.values())}; to use step {newest.step}, which"
      f" is sound, move {', '.join(map(str, newest.damaged))} out of {folder}"
    )
  return newest
