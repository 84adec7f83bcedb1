"""Reads named tensors from safetensors files and torch checkpoints."""

import contextlib
import importlib
import re
import warnings
import zipfile
from collections import UserDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from scenetok_jax.convert.wrapping import own_names, tensors_of
from scenetok_jax.reading.files import open_file
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.torch_files import check_torch_file
from scenetok_jax.types import InputError, explained

Load = Callable[[str], np.ndarray]
_AGAIN = "save it as dense float32"
# Types of safetensors that NumPy lacks.
_NARROW: dict[str, Any] = {
  "BF16": ml_dtypes.bfloat16,
  "F8_E4M3": ml_dtypes.float8_e4m3fn,
  "F8_E5M2": ml_dtypes.float8_e5m2,
  "F8_E8M0": ml_dtypes.float8_e8m0fnu,
}


class Tensors(UserDict[str, np.ndarray]):
  """Named tensors that are read, by load(name), when asked for.

  averages: how many averaged ones the file holds besides.
  """

  def __init__(
    self, names: Iterable[str], load: Load, averages: int = 0
  ) -> None:
    self.data, self._load = dict.fromkeys(names), load  # type: ignore[assignment]
    self.averages = averages

  def __getitem__(self, name: str) -> np.ndarray:
    if name not in self.data:
      raise KeyError(name)
    return self._load(name)


def read_tensors(path: str | Path, *, ema: bool = False) -> Tensors:
  """Opens a checkpoint: safetensors, or torch's zip or legacy pickle.

  Names come without what wraps them (convert/wrapping.py). Torch files are read
  without running any code they contain. The first bytes tell the format;
  bfloat16 and float8 tensors are widened to float32.

  ema: the moving averages that the file holds beside the networks. InputError
  where there is no such file or average, for a truncated one, one that holds
  other objects than tensors, or a torch file where torch is not installed.
  """
  path = Path(path)
  names, load = (_safetensors if _is_safetensors(path) else _torch)(path)
  own, averages = own_names(list(names), path, ema=ema)
  return Tensors(own, lambda name: load(own[name]), averages)


def _is_safetensors(path: Path) -> bool:
  """Whether a file starts as they do: an 8-byte length, then JSON."""
  with (
    explained(f"{path}: cannot be read", "give a file", OSError),
    open_file(path) as file,
  ):
    return file.read(9)[8:] == b"{"


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
  """Shapes by name, without the numbers; errors are those of read_tensors."""
  path = Path(path)
  if _is_safetensors(path):
    file = _open_safetensors(path)
    names = file.keys()
    found = {name: tuple(file.get_slice(name).get_shape()) for name in names}
  else:  # mapped, not read
    found = {name: tuple(t.shape) for name, t in _torch_tensors(path).items()}
  own = own_names(found, path, ema=False).own
  return {name: found[old] for name, old in own.items()}


def read_step(path: str | Path) -> int:
  """The training step that a checkpoint records; 0 where it records none."""
  path = Path(path)
  if _is_safetensors(path):
    metadata = safe_open(path, framework="np").metadata() or {}
    step = metadata.get("step", "0")
    return int(step) if re.fullmatch("[0-9]{1,18}", step) else 0
  payload = _load_torch(path)
  if not isinstance(payload, Mapping):
    return 0
  steps = (payload.get(name) for name in ("global_step", "step"))
  told = (step for step in steps if type(step) is int and 0 <= step < 1 << 53)
  return next(told, 0)


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


def _safetensors(path: Path) -> tuple[Iterable[str], Load]:
  """Names, and what loads one of them."""
  file = _open_safetensors(path)

  def load(name: str) -> np.ndarray:
    kind = file.get_slice(name).get_dtype()
    if kind in _NARROW:
      return _widened(path, name, _NARROW[kind])
    with explained(f"{path}: {name}: of type {kind}", _AGAIN, Exception):
      found: np.ndarray = file.get_tensor(name)
    return found

  return file.keys(), load


def _widened(path: Path, name: str, kind: type) -> np.ndarray:
  """float32 of a tensor whose type NumPy does not know."""
  with path.open("rb") as file:
    length = int.from_bytes(file.read(8), "little")
    entry = parse(file.read(length), str(path), "fetch it again")[name]
    start, end = entry["data_offsets"]
    file.seek(8 + length + start)
    data = file.read(end - start)
  return np.frombuffer(data, kind).reshape(entry["shape"]).astype(np.float32)


def _load_torch(path: Path) -> Any:
  """What a torch file holds; only tensors and plain containers."""
  torch = import_torch(path)
  how = {"map_location": "cpu", "weights_only": True}
  try:
    check_torch_file(path)
    with warnings.catch_warnings():  # of protocols that it then refuses
      warnings.simplefilter("ignore")
      return torch.load(path, mmap=zipfile.is_zipfile(path), **how)
  except Exception as error:  # torch raises many kinds on a broken file
    raise InputError(f"{path}: {_explain(error)}") from error


def _torch_tensors(path: Path) -> dict[str, Any]:
  """Torch's tensors by name, whatever holds them."""
  return tensors_of(_load_torch(path), import_torch(path).is_tensor, path)


def _check_sizes(found: Mapping[str, Any], path: Path) -> None:
  """InputError where tensors are together larger than their file."""
  size, held = path.stat().st_size, dict[int, int]()
  for tensor in found.values():
    with contextlib.suppress(Exception):  # sparse: refused when it is read
      storage = tensor.untyped_storage()
      held[storage.data_ptr()] = max(storage.nbytes(), tensor.nbytes)
  if sum(held.values()) > size:
    raise InputError(
      f"{path}: its tensors claim {sum(held.values()):,} bytes, the file has"
      f" {size:,}; fetch it again"
    )


def _torch(path: Path) -> tuple[Iterable[str], Load]:
  """Names, and what loads one of them."""
  found, torch = _torch_tensors(path), import_torch(path)
  _check_sizes(found, path)
  known = (torch.float16, torch.float32, torch.float64)

  def load(name: str) -> np.ndarray:
    tensor = found[name].detach()
    narrow = tensor.is_floating_point() and tensor.dtype not in known
    with explained(
      f"{path}: {name}: of type {tensor.dtype}", _AGAIN, Exception
    ):
      array: np.ndarray = (tensor.float() if narrow else tensor).numpy()
    return array

  return found, load


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
