"""The config that made a workdir, stored in it."""

import os
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from flax.traverse_util import flatten_dict

from scenetok_jax.io import locate, to_plain, write_json
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import InputError
from scenetok_jax.workdir import places
from scenetok_jax.workdir.fields import is_auto, rename
from scenetok_jax.workdir.lock import make_folder

CONFIG_FILE = "config.json"
# Sections that are no fields (data_pipelines/identity.py): hashes of what was
# read, and how large the training scenes were (geometry/scale.py).
IDENTITY, SCALE = SECTIONS = "identity", "scale"

# Fields that may change between two starts of one run: they decide how long
# it runs, how it is placed, summed, watched or fed, not what any step computes.
# train.total_steps never bends a schedule: optimizer.decay_steps does. Folders
# may move: what lies in them is compared by its hash.
FREE_FIELDS = (
  "train.total_steps", "train.log_every", "train.checkpoint_every",
  "train.checkpoint_keep", "train.checkpoint_permanent_every",
  "train.eval_every", "train.max_nonfinite", "train.hang_timeout",
  "train.profile", "train.wandb", "train.reduce_dtype",
  "train.defer_reduction", "data.workers",
  "data.threads", "data.timeout", "data.cache", "data.path", "data.target_path",
  "data.latents", "mesh.*", "remat", "attention", "restore", "tokenizer_from",
  "codecs.*.weights", "codecs.*.dtype", "codecs.*.frames_at_once",
)  # fmt: skip


def is_free(field: str) -> bool:
  """Whether a field, such as "mesh.data", may change between two starts."""
  return any(fnmatch(field, free) for free in FREE_FIELDS)


def store_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> None:
  """Stores the config of every start, which must go on from the one before.

  config: of JSON-able values. Says which fields have changed. InputError where
  others than FREE_FIELDS have, or the stored one cannot be read; nothing is
  overwritten then.
  """
  changed = compare_config(workdir, config)
  if is_lead():
    folder = locate(workdir)
    make_folder(folder)
    if changed:
      remark(f"{folder}: since the last start {changed}")
    write_json(folder / CONFIG_FILE, config, sync=True)


def compare_config(
  workdir: str | os.PathLike[str], config: Mapping[str, Any]
) -> str:
  """store_config without storing: what has changed, in words."""
  folder, absent, changed = locate(workdir), "absent", []
  if not (folder / CONFIG_FILE).exists():
    return ""
  old, new = flatten(load_stored_config(folder)), flatten(to_plain(config))
  for name in sorted(old.keys() | new.keys()):
    there, here = old.get(name, absent), new.get(name, absent)
    # A field that did not exist yet equals one that is not set.
    unset = absent in (there, here) and None in (there, here)
    # What an older run does not know of its data cannot differ.
    section = name.partition(".")[0]
    unknown = absent in (there, here) and section in SECTIONS
    open_ = is_auto(name, here) or is_auto(name, there)
    if there == here or unset or unknown or open_:
      continue
    # What a run has started from may move, not come or go.
    if not is_free(name) or (name == "restore" and None in (there, here)):
      raise InputError(
        f"workdir {folder} was made by another config: field {name} is"
        f" {there} there, {here} here; use another --workdir or restore that"
        " value"
      )
    changed.append(f"{name} was {there}, is {here}")
  return "; ".join(changed)


def load_stored_config(workdir: str | os.PathLike[str]) -> dict[str, Any]:
  """The config that made a workdir; InputError when there is none."""
  path = locate(places.workdir(workdir)) / CONFIG_FILE
  config = read_json(path, "restore it, or give another run's --workdir")
  rename(config, str(path))
  return config


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
  """{'a': {'b': 1}} -> {'a.b': 1}; an empty dict is a value."""
  return flatten_dict(config, keep_empty_nodes=True, sep=".")
