"""Writes parameters under the names and layouts of the release."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.convert.engine import Table, export_tensors, manifest
from scenetok_jax.convert.reader import import_torch
from scenetok_jax.io import atomic_path, kept
from scenetok_jax.types import check_known

Network = tuple[Table, Any]  # a rename table and the parameters it is for


def export(
  path: str | Path, networks: Sequence[Network], *, step: int = 0
) -> None:
  """Writes a checkpoint that the authors' code loads.

  path: .safetensors, or .ckpt for Lightning's container (needs torch).
  networks: of the file. step: the training step that it records. InputError for
  another suffix, or a .ckpt where torch is not installed.
  """
  path = Path(path)
  writers = {".safetensors": _write_safetensors, ".ckpt": _write_lightning}
  check_known(path.suffix, writers, f"{path}: unknown format")
  # A reader never sees half a file.
  with kept(path), atomic_path(path) as temporary:
    writers[path.suffix](temporary, networks, step)


def _tensors(networks: Sequence[Network]) -> Iterator[tuple[str, np.ndarray]]:
  for table, params in networks:
    yield from export_tensors(params, table)


def _write_safetensors(
  path: Path, networks: Sequence[Network], step: int
) -> None:
  shapes = {}
  # In the order of the tensors, which is that of the file's header.
  for table, params in networks:
    for name, entry in manifest(table, params).items():
      shapes[table.prefix + name] = entry.shape
    for name, make in table.buffers.items():
      shapes[table.prefix + name] = make().shape
  tensors = _tensors(networks)
  stream_safetensors(path, shapes, lambda _: next(tensors)[1], step)


def stream_safetensors(
  path: Path,
  shapes: Mapping[str, tuple[int, ...]],
  tensor: Callable[[str], np.ndarray],
  step: int = 0,
) -> None:
  """Writes float32 tensors one at a time, as safetensors' own cannot.

  shapes: of all tensors by name, in the order of the file. tensor: gives one
  by its name; asked for in that order. step: training step to record.
  """
  header: dict[str, Any] = {"__metadata__": {"format": "pt", "step": str(step)}}
  end = 0
  for name, shape in shapes.items():
    start, end = end, end + 4 * int(np.prod(shape))
    header[name] = {
      "dtype": "F32",
      "shape": list(shape),
      "data_offsets": [start, end],
    }
  text = json.dumps(header).encode()
  text += b" " * (-len(text) % 8)
  with path.open("wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    for name in shapes:
      file.write(np.ascontiguousarray(tensor(name), "<f4").data)


def _write_lightning(
  path: Path, networks: Sequence[Network], step: int
) -> None:
  torch = import_torch(path)
  state = {
    name: torch.from_numpy(np.array(tensor, np.float32, order="C"))
    for name, tensor in _tensors(networks)
  }
  payload = {"epoch": 0, "global_step": step, "state_dict": state}
  torch.save(payload, path)
