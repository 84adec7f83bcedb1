"""The file in which an interrupted sampling run waits to be continued."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scenetok_jax.io import atomic_path
from scenetok_jax.types import Array, InputError


@dataclasses.dataclass(frozen=True)
class StateFile:
  """Where an interrupted run is continued from.

  identity: digest of everything that decides the result; another run's file
  is started over.
  """

  path: Path
  identity: str

  def load(self) -> tuple[dict[str, np.ndarray], int] | None:
    """(arrays, steps done) of the same run, None where there is none.

    Raises:
      InputError: the file is damaged.
    """
    if not self.path.is_file():
      return None
    try:
      with safe_open(self.path, framework="numpy") as file:
        header = file.metadata() or {}
        if header.get("identity") != self.identity:
          return None
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, int(header["done"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
      raise InputError(
        f"{self.path}: state of an interrupted run is damaged ({error});"
        " delete it to start over"
      ) from error

  def save(self, arrays: Mapping[str, Array], done: int) -> None:
    """Replaces the file atomically."""
    host = {name: np.asarray(jax.device_get(a)) for name, a in arrays.items()}
    header = {"identity": self.identity, "done": str(done)}
    with atomic_path(self.path) as temporary:
      temporary.write_bytes(save(host, header))

  def remove(self) -> None:
    """When the result is safe."""
    self.path.unlink(missing_ok=True)
