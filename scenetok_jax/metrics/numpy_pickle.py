"""Reads pickled NumPy arrays without running code that the file contains.

A pickle may name any function to be called while it is read. Here only three
names are known, and each stands for a function of this file that builds
plain arrays; NumPy's own unpickling is not reached either.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.types import InputError

_CODES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "b1"}


class _Dtype:
  """What `numpy.dtype` unpickles to: a type code and a byte order."""

  def __init__(self, code: str, *_: Any) -> None:
    if code not in _CODES:
      raise pickle.UnpicklingError(f"array type {code!r} is not a number")
    self.code, self.order = code, "<"

  def __setstate__(self, state: tuple) -> None:
    if state[1] not in ("<", ">", "|", "="):
      raise pickle.UnpicklingError(f"byte order {state[1]!r}")
    self.order = "<" if state[1] in ("|", "=") else state[1]

  def resolve(self) -> np.dtype:
    return np.dtype(self.order + self.code)


class _Ndarray:
  """What `numpy.ndarray` unpickles to, before it is checked."""

  array: np.ndarray | None = None

  def __setstate__(self, state: tuple) -> None:
    _, shape, dtype, fortran, data = state
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
      raise pickle.UnpicklingError("an array without numbers")
    found, shape = dtype.resolve(), tuple(map(int, shape))
    if min(shape, default=0) < 0 or (
      len(data) != math.prod(shape) * found.itemsize
    ):
      raise pickle.UnpicklingError(
        f"an array of shape {list(shape)} in {len(data)} bytes"
      )
    array = np.frombuffer(data, found)
    self.array = np.reshape(array, shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Ndarray:
  return _Ndarray()


_KNOWN: dict[tuple[str, str], Callable] = {
  ("numpy", "ndarray"): _Ndarray,
  ("numpy", "dtype"): _Dtype,
  ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
  ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _Unpickler(pickle.Unpickler):
  def find_class(self, module: str, name: str) -> Any:
    if (module, name) not in _KNOWN:
      raise pickle.UnpicklingError(
        f"refused: unpickling it would use {module}.{name}, which arrays do"
        " not need"
      )
    return _KNOWN[module, name]


def read_numpy_pickle(path: str | Path) -> dict[str, Any]:
  """Pickled nested dicts of arrays -> the same dicts.

  Raises:
    InputError: no such file, not a whole pickle, or one that holds or would
      call anything but arrays of numbers.
  """
  try:
    with Path(path).open("rb") as file:
      tree = _plain(_Unpickler(file).load())
  except OSError as error:
    raise InputError(f"{path}: {error.strerror}; give a file") from error
  except Exception as error:  # a damaged pickle raises many kinds
    text = " ".join(str(error).split())[:200]
    raise InputError(
      f"{path}: not a pickle of arrays ({text}); fetch it again from its"
      " publisher"
    ) from error
  if not isinstance(tree, dict):
    raise InputError(
      f"{path}: holds a {type(tree).__name__}, not arrays by name; give the"
      " published file"
    )
  return tree


def _plain(value: Any) -> Any:
  if isinstance(value, Mapping):
    return {str(name): _plain(item) for name, item in value.items()}
  if isinstance(value, _Ndarray):
    if value.array is None:
      raise pickle.UnpicklingError("an array without numbers")
    return value.array
  raise pickle.UnpicklingError(f"a {type(value).__name__} among the arrays")
