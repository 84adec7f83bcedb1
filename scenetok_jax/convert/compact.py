"""Small files of trained parameters: int8 matrices in one safetensors file."""

import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.io import atomic_path
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

PARAMS_FILE = "params.safetensors"
_SCALE = "#scale"
_LARGE = 4096  # smaller arrays stay float32: norms, biases
_VERSION = 1


def quantize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """[... C] float32 -> int8 [... C] and float16 scales [... 1], per row."""
  largest = np.max(np.abs(values), axis=-1, keepdims=True)
  scale = np.maximum(largest / 127.0, np.finfo(np.float16).tiny)
  scale = scale.astype(np.float16)
  codes = np.round(values / scale.astype(np.float32))
  return np.clip(codes, -127, 127).astype(np.int8), scale


def save_compact(
  path: str | os.PathLike,
  params: Mapping[str, Any],
  step: int,
  *,
  exact: bool = False,
) -> None:
  """Writes nested float32 parameters as int8 rows with float16 scales.

  Arrays under 4,096 values are kept as float32, and all where `exact`.
  Written atomically, with a hash of its bytes.
  """
  arrays: dict[str, np.ndarray] = {}
  for name, leaf in flatten_dict(dict(params), sep="/").items():
    values = np.asarray(jax.device_get(leaf), np.float32)
    if exact or values.size < _LARGE:
      arrays[name] = values
    else:
      arrays[name], arrays[name + _SCALE] = quantize(values)
  metadata = {"format": json.dumps({"version": _VERSION, "step": int(step)})}
  with atomic_path(path) as temporary:
    temporary.write_bytes(save(arrays, sealed(arrays, metadata)))


def load_compact(path: str | os.PathLike) -> tuple[dict[str, Any], int]:
  """(nested float32 parameters, training step) of a file by save_compact.

  InputError where the file is missing, damaged or of another kind.
  """
  problem, remedy = "not a parameter file of this package", "fetch it again"
  with own_arrays(path, problem, remedy) as (arrays, metadata):
    header = parse(metadata["format"].encode(), f"{path}: format", remedy)
    version, step = header.get("version"), header.get("step")
    if type(version) is not int or version != _VERSION:
      raise InputError(
        f"{path}: version: {shown(version)}, this program reads {_VERSION};"
        f" {remedy}"
      )
    if type(step) is not int or step < 0:
      raise InputError(f"{path}: format: step: {shown(step)}; {remedy}")
  params = {
    name: values.astype(np.float32) * arrays.get(name + _SCALE, np.float32(1))
    for name, values in arrays.items()
    if not name.endswith(_SCALE)
  }
  params = {name: x.astype(np.float32) for name, x in params.items()}
  return unflatten_dict(params, sep="/"), step
