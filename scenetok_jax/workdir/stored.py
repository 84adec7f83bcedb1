"""What a run's checkpoints hold, and which of them can be read."""

import contextlib
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from etils import epath
from flax.traverse_util import flatten_dict, unflatten_dict

from scenetok_jax.convert.engine import check_same, flatten
from scenetok_jax.io import absolute, storage_reason
from scenetok_jax.parallel.rules import path_name
from scenetok_jax.types import InputError

PathLike = str | os.PathLike[str]
FOLDER = "checkpoints"


class Newest(NamedTuple):
  """What was read of the newest sound step; why newer ones were not."""

  step: int
  found: Any
  damaged: dict[int, str]


def checkpoints(workdir: PathLike) -> pathlib.Path:
  """The folder of a workdir's checkpoints."""
  return absolute(workdir) / FOLDER


def complete_steps(workdir: PathLike) -> list[int]:
  """Steps of a workdir's complete checkpoints, [] where there are none."""
  folder = checkpoints(workdir)
  found = ocp.utils.checkpoint_steps(folder) if folder.is_dir() else []
  return sorted(found)


def newest_sound(
  folder: pathlib.Path,
  steps: Sequence[int],
  read: Callable[[pathlib.Path], Any],
  gather: Callable[[bytes], list[bytes]] = lambda problem: [problem],
) -> Newest:
  """read(a step's folder) of the newest step that is whole.

  gather: what all processes found, so that they agree on a step even if one
  alone cannot read it. InputError where no step is whole.
  """
  damaged: dict[int, str] = {}
  for step in sorted(steps, reverse=True):
    found, problem = None, ""
    try:
      found = read(folder / str(step))
    except (InputError, jax.errors.JaxRuntimeError):
      raise  # another model's; no memory
    except Exception as error:  # whatever a file's bytes make Orbax raise
      problem = f"{folder / str(step)}: damaged ({short(error)})"
    told = sorted(gather(problem.encode()))
    if not told[-1]:
      return Newest(step, found, damaged)
    damaged[step] = told[-1].decode()
  raise InputError(
    f"{'; '.join(damaged.values())}; no other checkpoint is left and none was"
    " changed; restore one from a copy, or use another --workdir"
  )


def shapes(where: pathlib.Path) -> dict[str, Any]:
  """Nested dict of jax.ShapeDtypeStruct of a stored state."""
  with contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler:
    tree = handler.metadata(epath.Path(where)).tree
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree
  )


def arrays(where: pathlib.Path, target: Any) -> Any:
  """A stored state's arrays of the target's tree, types and places.

  In a process without a device among an array's places its shape stays.
  """
  leaves, tree = jax.tree_util.tree_flatten_with_path(target)
  places = {tuple(path_name(path).split("/")): leaf for path, leaf in leaves}
  here = {k: x for k, x in places.items() if x.sharding.addressable_devices}
  if here:
    wanted = unflatten_dict(here)
    args = ocp.args.PyTreeRestore(
      item=wanted,
      restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
      partial_restore=True,
    )
    with contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler:
      places |= flatten_dict(handler.restore(epath.Path(where), args=args))
  return jax.tree.unflatten(tree, places.values())


def check_shapes(found: Any, target: Any, where: pathlib.Path) -> None:
  """InputError naming parameters that differ in name or shape."""
  remedy = "use the config that made this checkpoint, or another --workdir"
  check_same(flatten(found), flatten(target), str(where), remedy)


def short(error: BaseException) -> str:
  """The end of an error's text in one line, without TensorStore's options."""
  if reason := storage_reason(error):
    return reason
  cause = error.__cause__ or error
  text = (str(cause) or repr(cause)).split(" [tensorstore")[0]
  text = " ".join(text.split())
  return text if len(text) <= 200 else f"...{text[-200:]}"
