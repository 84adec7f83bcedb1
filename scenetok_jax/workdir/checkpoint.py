"""Checkpoints: three items per step (state, data, config), through Orbax."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from etils import epath
from jax.sharding import Mesh
from orbax.checkpoint import checkpoint_managers as policies

from scenetok_jax.convert.compact import PARAMS_FILE, load_compact
from scenetok_jax.io import absolute, fetched, locate
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import path_name, place_params, placed_shapes
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.types import InputError
from scenetok_jax.workdir import builtin
from scenetok_jax.workdir.lock import make_folder

PathLike = str | os.PathLike[str]
FOLDER = "checkpoints"


class Checkpointer:
  """Asynchronous saves below WORKDIR/checkpoints, kept `keep` at a time.

  A checkpoint becomes visible only when it is complete; what a killed run
  left half-written is removed here. Usable as a context manager.
  """

  def __init__(self, workdir: PathLike, every: int, keep: int = 2) -> None:
    """Saves every so many steps, and keeps so many."""
    if every < 1 or keep < 1:
      raise InputError(
        f"config: train.checkpoint_every and train.checkpoint_keep: {every}"
        f" and {keep} must be at least 1"
      )
    self.folder = _folder(workdir)
    if is_lead():
      make_folder(self.folder)
      # What killed saves left.
      for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
        shutil.rmtree(path, ignore_errors=True)
    options = ocp.CheckpointManagerOptions(
      save_decision_policy=policies.AnySavePolicy(
        [
          policies.PreemptionCheckpointingPolicy(),
          policies.FixedIntervalPolicy(every),
        ]
      ),
      preservation_policy=policies.LatestN(keep),
    )
    self._manager = ocp.CheckpointManager(self.folder, options=options)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *_: object) -> None:
    """Waits for pending saves and frees the threads."""
    self._manager.close()

  def latest_step(self) -> int | None:
    """Step of the newest complete checkpoint, None when there is none."""
    return self._manager.latest_step()

  def should_save(self, step: int) -> bool:
    """True when save(step, ...) would write: the interval, or preemption."""
    return step != self.latest_step() and self._manager.should_save(step)

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
    Returns whether a save was started; InputError where an earlier one failed,
    for instance on a full disk.
    """
    self.check()
    if step == self.latest_step() or not (force or self.should_save(step)):
      return False
    items = ocp.args.Composite(
      state=ocp.args.StandardSave(state),
      data=ocp.args.JsonSave(dict(data_state)),
      config=ocp.args.JsonSave(dict(config)),
    )
    with self._reporting():
      return bool(self._manager.save(step, args=items, force=force))

  def shapes(self) -> dict[str, Any]:
    """Nested dict of jax.ShapeDtypeStruct of the latest state."""
    return _stored_shapes(_state(self.folder, self.latest_step()))

  def restore(self, target: Any) -> tuple[Any, dict[str, Any]]:
    """The state and the data iterator's state of the latest checkpoint.

    target: shapes, dtypes and shardings (train.state.abstract), on any mesh,
    device count or process count. InputError where parameters do not match.
    """
    step = self.latest_step()
    check_shapes(self.shapes(), target, str(_state(self.folder, step)))
    items = ocp.args.Composite(
      state=ocp.args.StandardRestore(target), data=ocp.args.JsonRestore()
    )
    restored = self._manager.restore(step, args=items)
    return restored.state, restored.data

  def wait(self) -> None:
    """Blocks until pending saves are complete; raises if one failed."""
    with self._reporting():
      self._manager.wait_until_finished()
    self.check()

  def check(self) -> None:
    """Raises InputError if a save has failed in the background."""
    with self._reporting():
      self._manager.check_for_errors()

  @contextlib.contextmanager
  def _reporting(self) -> Iterator[None]:
    """What a full disk raises, as an InputError."""
    try:
      yield
    except (OSError, ValueError) as error:  # TensorStore's is a ValueError
      steps = complete_steps(self.folder.parent)
      raise InputError(
        f"{self.folder}: a checkpoint could not be written"
        f" ({' '.join(str(error).split())[-200:]}); free space there; the last"
        f" complete one is {steps[-1] if steps else 'none'}"
      ) from error


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
  in float32, whatever was stored. InputError without one, or where it does not
  match the target.
  """
  where, _, tree = _stored(workdir)
  item = item if tree.get(item) else "params"
  found = tree[item]
  if target is not None:
    check_shapes(found, target, str(where))
  mesh = mesh or make_mesh()
  if where.is_file():
    return place_params(found, mesh)

  def argument(leaf: jax.ShapeDtypeStruct) -> ocp.ArrayRestoreArgs:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    dtype = jnp.float32 if floating else leaf.dtype
    return ocp.ArrayRestoreArgs(sharding=leaf.sharding, dtype=dtype)

  arguments = jax.tree.map(argument, placed_shapes(found, mesh))
  with contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler:
    restored = handler.restore(
      epath.Path(where),
      args=ocp.args.PyTreeRestore(
        item={item: found}, restore_args={item: arguments}, partial_restore=True
      ),
    )
  return restored[item]


def check_params(workdir: PathLike, target: Any) -> None:
  """What restore_params checks against a target, without reading arrays."""
  where, _, tree = _stored(workdir)
  check_shapes(tree["params"], target, str(where))


def save_params(
  workdir: PathLike, params: Any, config: Mapping[str, Any], step: int = 0
) -> None:
  """Writes parameters alone in a checkpoint that restore_params reads."""
  items = ocp.args.Composite(
    state=ocp.args.StandardSave({"params": params}),
    config=ocp.args.JsonSave(dict(config)),
  )
  with ocp.CheckpointManager(_folder(workdir)) as manager:
    manager.save(step, args=items, force=True)
    manager.wait_until_finished()


def latest_step(workdir: PathLike) -> int:
  """Step of the newest complete checkpoint in a workdir, or InputError."""
  return _stored(workdir).step


class _Stored(NamedTuple):
  """A state's folder with its shapes, or a compact file with its arrays."""

  where: pathlib.Path
  step: int
  tree: dict[str, Any]


def _stored(workdir: PathLike) -> _Stored:
  compact = locate(builtin.workdir(workdir)) / PARAMS_FILE
  if compact.is_file():
    with fetched(compact) as file:
      params, step = load_compact(file)
    return _Stored(compact, step, {"params": params})
  folder, steps = _folder(workdir), complete_steps(workdir)
  if not steps:
    raise InputError(
      f"{folder}: no complete checkpoint there; train first, or give the"
      " workdir of a run"
    )
  where = _state(folder, steps[-1])
  return _Stored(where, steps[-1], _stored_shapes(where))


def complete_steps(workdir: PathLike) -> list[int]:
  """Steps of a workdir's complete checkpoints, [] where there are none."""
  folder = _folder(workdir)
  found = ocp.utils.checkpoint_steps(folder) if folder.is_dir() else []
  return sorted(found)


def check_shapes(found: Any, target: Any, where: str) -> None:
  """InputError naming the first parameters that differ in name or shape."""
  have, want = (
    {
      path_name(path): tuple(leaf.shape)
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    for tree in (found, target)
  )
  problems = [f"{name} is missing" for name in want if name not in have]
  problems += [f"{name} is not in the model" for name in have - want.keys()]
  problems += [
    f"{name} is {list(have[name])} there, {list(shape)} in the model"
    for name, shape in want.items()
    if name in have and have[name] != shape
  ]
  if problems:
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    raise InputError(
      f"{where}: {'; '.join(problems[:3])}{more}; use the config that made"
      " this checkpoint, or another --workdir"
    )


def _stored_shapes(folder: pathlib.Path) -> dict[str, Any]:
  """Nested dict of jax.ShapeDtypeStruct of a stored state."""
  with contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler:
    tree = handler.metadata(epath.Path(folder)).tree
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree
  )


def _state(folder: pathlib.Path, step: int | None) -> pathlib.Path:
  return folder / str(step) / "state"


def _folder(workdir: PathLike) -> pathlib.Path:
  return absolute(workdir) / FOLDER
