"""The folder that holds a converted codec: config.json and its parameters."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save_file

from scenetok_jax.convert.engine import check_finite, check_same
from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.outputs import whole
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Count, Name, checked
from scenetok_jax.types import InputError, explained

CONFIG_FILE = "config.json"
PARAMS_FILE = "codec.safetensors"
PARAMS_FOLDER = "params"  # Orbax
FORMATS = ("safetensors", "orbax")
REMEDY = "make it with scenetok convert --codec NAME --source FILE --out DIR"


class _Config(TypedDict):
  """A folder's config.json."""

  codec: Name
  fields: dict[str, Any]
  source: str
  sha256: str
  tensors: Count
  parameters: Count


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a folder says of its parameters.

  codec: the network's name. fields: those of its module that differ from the
  published network, {} for the published weights. source, sha256: the file
  that they were converted from.
  """

  codec: str
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  source: str = ""
  sha256: str = ""


def save_weights(
  folder: str | os.PathLike,
  manifest: Manifest,
  params: Any,
  *,
  form: str = "safetensors",
) -> None:
  """Writes parameters in float32 under their paths in this package.

  The config comes last: a folder that has one is whole.

  folder: made when absent. params: nested arrays. form: one of FORMATS.
  InputError where the folder holds a codec already, or cannot be written.
  """
  if form not in FORMATS:
    raise ValueError(f"form {form!r} is not one of {FORMATS}")
  folder = Path(folder)
  with whole(folder, PARAMS_FILE, PARAMS_FOLDER, CONFIG_FILE) as aside:
    _save(aside, manifest, params, form)


def _save(
  folder: Path, manifest: Manifest, params: Mapping[str, Any], form: str
) -> None:
  leaves = {
    name: np.ascontiguousarray(jax.device_get(leaf), np.float32)
    for name, leaf in flatten_dict(dict(params), sep="/").items()
  }
  if form == "safetensors":
    with atomic_path(folder / PARAMS_FILE) as temporary:
      save_file(leaves, temporary, sealed(leaves, {}))
  else:
    folder.mkdir(parents=True, exist_ok=True)
    with ocp.StandardCheckpointer() as checkpointer:
      tree = unflatten_dict(leaves, sep="/")
      checkpointer.save((folder / PARAMS_FOLDER).absolute(), tree)
  text = {
    **dataclasses.asdict(manifest),
    "tensors": len(leaves),
    "parameters": sum(leaf.size for leaf in leaves.values()),
  }
  write_json(folder / CONFIG_FILE, text)


def read_manifest(folder: str | os.PathLike) -> Manifest:
  """What a folder holds; InputError where it is no converted codec."""
  found = _read_config(folder)
  fields = {
    name: tuple(value) if isinstance(value, list) else value
    for name, value in found["fields"].items()
  }
  return Manifest(found["codec"], fields, found["source"], found["sha256"])


def read_counts(folder: str | os.PathLike) -> dict[str, int]:
  """{"tensors", "parameters"}: how many a folder holds."""
  found = _read_config(folder)
  return {name: found[name] for name in ("tensors", "parameters")}


def _read_config(folder: str | os.PathLike) -> dict[str, Any]:
  path = Path(folder) / CONFIG_FILE
  where = f"{path}: does not describe a codec"
  return checked(read_json(path, REMEDY), _Config, where, REMEDY)


def load_weights(folder: str | os.PathLike, shapes: Any) -> Any:
  """Parameters of a folder by save_weights, as float32 numpy arrays.

  shapes: the network's abstract parameters. InputError where the file is
  missing, damaged, not finite, or of another network.
  """
  folder = Path(folder)
  path = folder / PARAMS_FILE
  if path.exists():
    problem = "not a whole safetensors file"
    with own_arrays(path, problem, "convert it again") as (leaves, _):
      pass
  elif (path := folder / PARAMS_FOLDER).is_dir():
    leaves = _read_orbax(path)
  else:
    raise InputError(
      f"{folder}: holds neither {PARAMS_FILE} nor {PARAMS_FOLDER}/; {REMEDY}"
    )
  wanted = flatten_dict(dict(shapes), sep="/")
  check_same(leaves, wanted, str(path), "convert the published file again")
  check_finite(leaves, path)
  leaves = {name: np.asarray(x, np.float32) for name, x in leaves.items()}
  return unflatten_dict(leaves, sep="/")


def _read_orbax(path: Path) -> dict[str, np.ndarray]:
  how = (f"{path}: not a whole Orbax checkpoint", "convert it again")
  with (
    explained(*how, OSError, ValueError, KeyError),
    contextlib.closing(ocp.PyTreeCheckpointHandler()) as handler,
  ):
    tree = handler.metadata(path.absolute()).tree
    arguments = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree
    )
    found = handler.restore(
      path.absolute(), args=ocp.args.PyTreeRestore(restore_args=arguments)
    )
  return flatten_dict(found, sep="/")
