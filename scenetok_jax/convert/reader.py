"""Reads named tensors from safetensors files and torch checkpoints."""

import contextlib
import importlib
import os
import re
import zipfile
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from scenetok_jax.types import InputError, explained


class Tensors(UserDict[str, np.ndarray]):
  """Named tensors that are read, by load(name), when asked for."""

  def __init__(
    self, names: Iterable[str], load: Callable[[str], np.ndarray]
  ) -> None:
    self.data, self._load = dict.fromkeys(names), load  # type: ignore[assignment]

  def __getitem__(self, name: str) -> np.ndarray:
    if name not in self.data:
      raise KeyError(name)
    return self._load(name)


def read_tensors(path: str | Path) -> Tensors:
  """Opens a checkpoint: safetensors, or torch's zip or legacy pickle.

  A torch file may hold the tensors themselves or, as Lightning's do, under
  `state_dict`. Torch files are read without running any code they contain.

  The first bytes tell the format; bfloat16 tensors are widened to float32.
  InputError where there is no such file, for a truncated one, one that holds
  other objects than tensors, or a torch file where torch is not installed.
  """
  path = Path(path)
  if _is_safetensors(path):
    return _read_safetensors(path)
  return _read_torch(path)


def _is_safetensors(path: Path) -> bool:
  """Whether a file starts as they do: an 8-byte length, then JSON."""
  with (
    explained(f"{path}: cannot be read", "give a file", OSError),
    path.open("rb") as file,
  ):
    return file.read(9)[8:] == b"{"


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
  """Shapes by name, without the numbers; errors are those of read_tensors."""
  path = Path(path)
  if _is_safetensors(path):
    file = _open_safetensors(path)
    names = file.keys()
    return {name: tuple(file.get_slice(name).get_shape()) for name in names}
  # Mapped, not read.
  return {name: tuple(t.shape) for name, t in _torch_tensors(path).items()}


def read_step(path: str | Path) -> int:
  """The training step that a checkpoint records; 0 where it records none."""
  path = Path(path)
  if _is_safetensors(path):
    metadata = safe_open(path, framework="np").metadata() or {}
    step = metadata.get("step", "0")
    return int(step) if re.fullmatch("[0-9]{1,18}", step) else 0
  payload = _load_torch(path)
  step = payload.get("global_step", 0) if isinstance(payload, Mapping) else 0
  return step if isinstance(step, int) else 0


def select(tensors: Tensors, prefix: str) -> Tensors:
  """Tensors under a prefix, without it; all of them if none has the prefix."""
  names = [n.removeprefix(prefix) for n in tensors if n.startswith(prefix)]
  if not names:
    return tensors
  return Tensors(names, lambda name: tensors[prefix + name])


def import_torch(path: Path) -> Any:
  """The torch module, which only reading and writing its files needs."""
  remedy = (
    "run `pip install 'scenetok_jax[convert]'`, or use a .safetensors file"
  )
  problem = f"{path}: a torch checkpoint needs torch"
  with explained(problem, remedy, ImportError):
    return importlib.import_module("torch")


def _open_safetensors(path: Path) -> Any:
  problem = f"{path}: not a whole safetensors file"
  with explained(problem, "fetch it again", SafetensorError):
    return safe_open(path, framework="np")


@contextlib.contextmanager
def own_arrays(
  path: str | os.PathLike, problem: str, remedy: str
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, str]]]:
  """Arrays and metadata of a safetensors file that this package wrote.

  InputError where it is not there, is damaged, or lacks what the body looks
  for in them.
  """
  kinds = (SafetensorError, OSError, KeyError, ValueError, TypeError)
  with (
    explained(f"{path}: {problem}", remedy, *kinds),
    explained(f"{path}: not found", "check the path", FileNotFoundError),
    safe_open(path, framework="np") as file,
  ):
    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    yield arrays, file.metadata() or {}


def _read_safetensors(path: Path) -> Tensors:
  file = _open_safetensors(path)

  def load(name: str) -> np.ndarray:
    tensor = file.get_tensor(name)
    narrow = str(tensor.dtype) == "bfloat16"
    return tensor.astype(np.float32) if narrow else tensor

  return Tensors(file.keys(), load)


def _load_torch(path: Path) -> Any:
  """What a torch file holds; only tensors and plain containers."""
  torch = import_torch(path)
  try:
    return torch.load(
      path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
    )
  except Exception as error:  # torch raises many kinds on a broken file
    raise InputError(f"{path}: {_explain(error)}") from error


def _torch_tensors(path: Path) -> dict[str, Any]:
  """Torch's tensors by name, under `state_dict` or not."""
  payload = _load_torch(path)
  torch = import_torch(path)
  if isinstance(payload, Mapping) and "state_dict" in payload:
    payload = payload["state_dict"]
  if not isinstance(payload, Mapping):
    raise InputError(
      f"{path}: holds a {type(payload).__name__}, not tensors by name; save"
      " the network's state_dict"
    )
  return {n: value for n, value in payload.items() if torch.is_tensor(value)}


def _read_torch(path: Path) -> Tensors:
  found, torch = _torch_tensors(path), import_torch(path)

  def load(name: str) -> np.ndarray:
    tensor = found[name].detach()
    narrow = tensor.dtype == torch.bfloat16
    return (tensor.float() if narrow else tensor).numpy()

  return Tensors(found, load)


def _explain(error: Exception) -> str:
  """What torch refused, in one line."""
  text = " ".join(str(error).split())
  unsafe = re.search(r"GLOBAL ([\w.]+)", text)
  if unsafe:
    return (
      f"refused: unpickling it would call {unsafe.group(1)}, which is not"
      " needed for tensors; have it saved again as a plain state_dict"
    )
  return f"not a whole torch checkpoint ({text[:160]}); fetch it again"
