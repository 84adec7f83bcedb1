"""Safetensors files that this package wrote, each sealed by a hash."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping

import numpy as np
from safetensors import SafetensorError, safe_open

from scenetok_jax.reading.files import open_file
from scenetok_jax.types import explained

_SEAL = "sha256"


def sealed(
  arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> dict[str, str]:
  """The metadata of a file with a hash of it, which own_arrays checks."""
  return {**metadata, _SEAL: _digest(arrays, metadata)}


@contextlib.contextmanager
def own_arrays(
  path: str | os.PathLike, problem: str, remedy: str
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, str]]]:
  """Arrays and metadata of a safetensors file that this package wrote.

  InputError where it is not there, is damaged, or lacks what the body looks
  for in them. Files of versions before the hash pass without.
  """
  kinds = (
    *(SafetensorError, OSError, KeyError, ValueError, TypeError),
    AttributeError,  # of a number type that NumPy lacks
  )
  with (
    explained(f"{path}: {problem}", remedy, *kinds),
    explained(f"{path}: not found", "check the path", FileNotFoundError),
    open_file(path),  # it would wait for a pipe's writer
    safe_open(path, framework="np") as file,
  ):
    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata = dict(file.metadata() or {})
    seal = metadata.pop(_SEAL, None)
    if seal is not None and seal != _digest(arrays, metadata):
      raise ValueError("its checksum differs")
    yield arrays, metadata


def _digest(
  arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> str:
  digest = hashlib.sha256(repr(sorted(metadata.items())).encode())
  for name, array in sorted(arrays.items()):
    digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).ravel().view(np.uint8).data)
  return digest.hexdigest()
