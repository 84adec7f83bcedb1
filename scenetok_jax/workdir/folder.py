"""A run's folder: its lock and the config that made it."""

import contextlib
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.types import InputError

CONFIG_FILE = "config.json"
LOCK_FILE = "run.lock"

# Fields that may change between two starts of one run: they decide how long
# it runs, how it is placed, watched or fed, not what any step computes.
# train.total_steps never bends a schedule: optimizer.decay_steps does.
FREE_FIELDS = (
  "train.total_steps",
  "train.log_every",
  "train.checkpoint_every",
  "train.checkpoint_keep",
  "train.eval_every",
  "train.max_nonfinite",
  "train.profile",
  "train.wandb",
  "data.workers",
  "data.timeout",
  "mesh",
)


def check_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """Stores the config at the first start, compares it at every later one.

  Args:
    workdir: the run's folder; made when absent.
    config: nested mapping of JSON-able values (or a ConfigDict).

  Raises:
    InputError: the stored config differs outside FREE_FIELDS, or cannot be
      read. Nothing is overwritten then.
  """
  compare_config(workdir, config)
  if is_lead():
    folder = pathlib.Path(workdir)
    make_folder(folder)
    text = json.dumps(plain(config), indent=1, sort_keys=True)
    write_atomically(folder / CONFIG_FILE, text + "\n")


def compare_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """check_config without storing anything."""
  folder = pathlib.Path(workdir)
  if (folder / CONFIG_FILE).exists():
    stored = flatten(load_config(folder))
    _compare(folder, stored, flatten(plain(config)))


def load_config(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """The config that made a workdir; InputError when there is none."""
  path = pathlib.Path(workdir) / CONFIG_FILE
  try:
    return json.loads(path.read_text())
  except FileNotFoundError as error:
    raise InputError(
      f"{path}: not found; give the workdir of a training run"
    ) from error
  except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
    raise InputError(
      f"{path}: cannot be read ({error}); restore it or use another --workdir"
    ) from error


def make_folder(folder: pathlib.Path) -> None:
  """Makes the workdir, or raises InputError saying why it cannot."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(
      f"{folder}: the workdir cannot be made ({error.strerror}); choose"
      " another --workdir"
    ) from error


@contextlib.contextmanager
def lock(workdir: str | os.PathLike[str]) -> Iterator[None]:
  """Keeps a second live run out of the workdir.

  The lead holds an flock, which the kernel drops however the process ends:
  a lock file left by a dead run is simply taken over.

  Raises:
    InputError: another live process holds the lock, or the folder cannot be
      written.
  """
  if not is_lead():
    yield
    return
  folder = pathlib.Path(workdir)
  make_folder(folder)
  path = folder / LOCK_FILE
  try:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
  except OSError as error:
    raise InputError(
      f"{path}: cannot be written ({error.strerror}); choose another --workdir"
    ) from error
  _guard_forks(handle)
  try:
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise InputError(
        f"{path}: workdir in use by {_holder(path)}; wait for that run to end,"
        " or use another --workdir"
      ) from error
    owner = {"pid": os.getpid(), "host": socket.gethostname()}
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(owner).encode())
    yield
  finally:
    _FORK_HANDLES.discard(handle)
    os.close(handle)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """{'a': {'b': 1}} -> {'a.b': 1}; an empty mapping is a value."""
  flat: dict[str, Any] = {}
  for key, value in config.items():
    name = f"{prefix}{key}"
    if isinstance(value, Mapping) and value:
      flat |= flatten(value, f"{name}.")
    else:
      flat[name] = value
  return flat


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
  """The config as JSON gives it back (tuples become lists)."""
  mapping = config.to_dict() if hasattr(config, "to_dict") else config
  try:
    return json.loads(json.dumps(mapping))
  except TypeError as error:
    raise InputError(
      f"config: {error}; use numbers, strings, lists and mappings"
    ) from error


def write_atomically(path: pathlib.Path, text: str) -> None:
  """Replaces a file in one step: readers see the old or the new text."""
  temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
  try:
    with open(temporary, "w") as file:
      file.write(text)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  except OSError as error:
    temporary.unlink(missing_ok=True)
    raise InputError(
      f"{path}: cannot be written ({error.strerror}); free space there or"
      " choose another --workdir"
    ) from error


def _compare(
  folder: pathlib.Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
  absent = "absent"
  for name in sorted(old.keys() | new.keys()):
    there, here = old.get(name, absent), new.get(name, absent)
    free = any(name == f or name.startswith(f + ".") for f in FREE_FIELDS)
    # A field that did not exist yet equals one that is not set.
    unset = absent in (there, here) and None in (there, here)
    if there != here and not unset and not free:
      raise InputError(
        f"workdir {folder} was made by another config: field {name} is"
        f" {there} there, {here} here; use another --workdir or restore that"
        " value"
      )


def _holder(path: pathlib.Path) -> str:
  try:
    owner = json.loads(path.read_text())
    return f"process {owner['pid']} on {owner['host']}"
  except (OSError, ValueError, KeyError, TypeError):
    return "another process"


# Forked data workers inherit the descriptor and would keep the lock alive
# after a killed run, so they close their copy.
_FORK_HANDLES: set[int] = set()


def _guard_forks(handle: int) -> None:
  if not hasattr(_guard_forks, "installed"):
    os.register_at_fork(after_in_child=_close_in_child)
    _guard_forks.installed = True  # type: ignore[attr-defined]
  _FORK_HANDLES.add(handle)


def _close_in_child() -> None:
  for handle in _FORK_HANDLES:
    with contextlib.suppress(OSError):
      os.close(handle)
  _FORK_HANDLES.clear()
