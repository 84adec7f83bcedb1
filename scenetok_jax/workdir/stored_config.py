"""The config that made a workdir, stored in it."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from flax.traverse_util import flatten_dict

from scenetok_jax.io import to_plain, write_json
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.types import InputError
from scenetok_jax.workdir import builtin
from scenetok_jax.workdir.fields import rename
from scenetok_jax.workdir.lock import make_folder

CONFIG_FILE = "config.json"

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
  "data.threads",
  "data.timeout",
  "mesh",
)


def store_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """Stores the config at the first start, compares it at every later one.

  config: of JSON-able values. InputError where the stored one differs outside
  FREE_FIELDS, or cannot be read; nothing is overwritten then.
  """
  compare_config(workdir, config)
  if is_lead():
    folder = pathlib.Path(workdir)
    make_folder(folder)
    write_json(folder / CONFIG_FILE, config, sync=True)


def compare_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """store_config without storing anything."""
  folder, absent = pathlib.Path(workdir), "absent"
  if not (folder / CONFIG_FILE).exists():
    return
  old, new = flatten(load_stored_config(folder)), flatten(to_plain(config))
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


def load_stored_config(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """The config that made a workdir; InputError when there is none."""
  path = pathlib.Path(builtin.workdir(workdir)) / CONFIG_FILE
  try:
    config = json.loads(path.read_text())
  except FileNotFoundError as error:
    raise InputError(
      f"{path}: not found; give the workdir of a training run"
    ) from error
  except (ValueError, OSError) as error:
    raise InputError(
      f"{path}: cannot be read ({error}); restore it or use another --workdir"
    ) from error
  rename(config, str(path))
  return config


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
  """{'a': {'b': 1}} -> {'a.b': 1}; an empty dict is a value."""
  return flatten_dict(config, keep_empty_nodes=True, sep=".")
