"""Seeded full-size weights of the reference cases, as published files name."""

import hashlib
import json
import pathlib

import numpy as np


def seeded_tensors(folder: pathlib.Path) -> dict[str, np.ndarray]:
  """The tensors of a case's manifest, checked against its hash."""
  config = json.loads((folder / "config.json").read_text())
  manifest = json.loads((folder / "weights_manifest.json").read_text())
  rng = np.random.default_rng(config["weights_seed"])
  tensors, digest = {}, hashlib.sha256()
  for entry in manifest:
    draw = rng.standard_normal(tuple(entry["shape"])) * entry["scale"]
    exponential = entry["kind"] == "exp_normal"
    draw = np.exp(draw) if exponential else entry["offset"] + draw
    tensors[entry["name"]] = draw.astype(np.float32)
    digest.update(tensors[entry["name"]].astype("<f4").tobytes())
  assert digest.hexdigest() == config["weights_sha256"]
  return tensors


def random_tensors(table, shapes, seed: int = 0) -> dict[str, np.ndarray]:
  """Tensors of a network in torch's layout, He-scaled; variances positive."""
  from scenetok_jax.convert.engine import manifest

  rng = np.random.default_rng(seed)
  tensors = {}
  for name, entry in manifest(table, shapes).items():
    draw = rng.standard_normal(entry.shape, np.float32)
    if len(entry.shape) > 1:
      tensors[name] = draw * np.sqrt(2 / np.prod(entry.shape[1:]))
    else:
      tensors[name] = 1 + 0.1 * np.abs(draw)
    tensors[name] = tensors[name].astype(np.float32)
  return tensors
