"""The file in which an interrupted sampling run waits to be continued."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.io import atomic_path
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class StateFile:
  """Where an interrupted run is continued from.

  identity: digest of everything that decides the result; another run's file
  is started over.
  """

  path: Path
  identity: str

  def load(self) -> tuple[SolverState, int] | None:
    """(state, steps done) of the same run, None where there is none.

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
        names = file.keys()
        state = SolverState(**{name: file.get_tensor(name) for name in names})
        return state, int(header["done"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
      raise InputError(
        f"{self.path}: state of an interrupted run is damaged ({error});"
        " delete it to start over"
      ) from error

  def save(self, state: SolverState, done: int) -> None:
    """Replaces the file atomically."""
    arrays = {
      name: np.asarray(jax.device_get(array))
      for name, array in state._asdict().items()
      if array is not None
    }
    header = {"identity": self.identity, "done": str(done)}
    with atomic_path(self.path) as temporary:
      temporary.write_bytes(save(arrays, header))
