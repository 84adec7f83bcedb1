"""Converts a checkpoint of full published size and exports it again.

  python benchmarks/convert_full_size.py --json report.json
  python benchmarks/convert_full_size.py --stage va_vae

Writes seeded random weights in the release's layout (3.2 GB for the tokenizer
and renderer, 5.2 GB for SceneGen), converts them in a process of its own, and
compares the export with the file, tensor for tensor. A codec or an evaluation
network is written as its publisher does (torch files need the extra [convert])
and converted; the converter counts its tensors. Everything is removed at
the end. Prints seconds and the largest memory of each step.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import save_file

from scenetok_jax.codecs import registry
from scenetok_jax.codecs.convert import codec_network, codec_table
from scenetok_jax.convert.engine import Table, manifest
from scenetok_jax.convert.export import stream_safetensors
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.metrics.registry import get_network, networks
from scenetok_jax.model import build, init_generator, init_stage1
from scenetok_jax.workdir import release
from scenetok_jax.workdir.config import load_config

CONFIGS = {
  "tokenizer": "configs/scenetok_re10k.py",
  "generator": "configs/scenegen_re10k.py",
}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  stages = [*CONFIGS, *registry.published_names(), *networks()]
  parser.add_argument("--stage", choices=stages, default="tokenizer")
  parser.add_argument("--folder", help="scratch space, default the system's")
  parser.add_argument("--json", help="write the report here")
  args = parser.parse_args()
  with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
    run = measure if args.stage in CONFIGS else measure_frozen
    report = run(args.stage, Path(scratch))
  print(json.dumps(report, indent=1))
  if args.json:
    Path(args.json).write_text(
      json.dumps(report, indent=1) + "\n", encoding="utf-8"
    )


def measure(stage: str, scratch: Path) -> dict:
  source, out = scratch / "source.safetensors", scratch / "run"
  again = scratch / "again.safetensors"
  start = time.monotonic()
  parameters = write_checkpoint(stage, source)
  report = {
    "stage": stage,
    "parameters": parameters,
    "bytes": source.stat().st_size,
    "write_seconds": time.monotonic() - start,
  }
  convert = ["--config", CONFIGS[stage], "--source", str(source)]
  report |= step("convert", [*convert, "--out", str(out)])
  report |= step(
    "export", ["--export", "--workdir", str(out), "--out", str(again)]
  )
  report["exact"] = same(source, again)
  return report


def measure_frozen(name: str, scratch: Path) -> dict:
  """Converts a codec's or an evaluation network's published files."""
  if name in registry.published_names():
    kind, files = "codec", [registry.published(name).file]
    shapes = codec_network(name).shapes()
    entries = manifest(codec_table(name), shapes)
  else:
    weights = get_network(name)
    kind, files = "metric", [names[0] for names in weights.files]
    entries = manifest(weights.table(), weights.shapes())
  rng = np.random.default_rng(0)
  tensors = {
    key: np.abs(rng.standard_normal(entry.shape, np.float32))
    for key, entry in entries.items()
  }
  heads = {key for key in tensors if key.startswith("lin")}
  sources = [scratch / file for file in files]
  for i, path in enumerate(sources):
    own = [k for k in tensors if (k in heads) == (i == 1) or len(files) == 1]
    _write(path, {key: tensors[key] for key in own}, old=name == "fvd_i3d")
  del tensors
  out, told = scratch / "out", scratch / "told.json"
  argv = [f"--{kind}", name, "--source", *map(str, sources)]
  report = step("convert", [*argv, "--out", str(out), "--json", str(told)])
  counts = json.loads(told.read_text())
  return {
    "stage": name,
    "bytes": sum(path.stat().st_size for path in sources),
    "tensors": counts["tensors"],
    "parameters": counts["parameters"],
    **report,
  }


def _write(path: Path, tensors: dict[str, np.ndarray], *, old: bool) -> None:
  """A file of the publisher's container; old: torch's before 1.6."""
  if path.suffix == ".safetensors":
    save_file(tensors, path)
    return
  import torch

  state = {name: torch.from_numpy(x) for name, x in tensors.items()}
  torch.save(state, path, _use_new_zipfile_serialization=not old)


def write_checkpoint(stage: str, path: Path) -> int:
  """Seeded normals under the release's names; returns their number."""
  config = load_config(CONFIGS[stage])
  model = build(config)

  def init(key):
    if stage == "generator":
      return init_generator(model, key, config.data.num_context)
    return init_stage1(model, key)

  shapes = jax.eval_shape(init, jax.random.key(0))
  tables = release.tables(model, stage)
  entries = {
    table.prefix + name: entry.shape
    for key, table in tables.items()
    for name, entry in manifest(table, shapes[key]).items()
  }
  buffers = _buffers(tables)
  entries |= {name: array.shape for name, array in buffers.items()}
  rng = np.random.default_rng(0)

  def tensor(name: str) -> np.ndarray:
    if name in buffers:
      return buffers[name]
    return rng.standard_normal(entries[name], np.float32)

  stream_safetensors(path, entries, tensor)
  return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _buffers(tables: dict[str, Table]) -> dict[str, np.ndarray]:
  return {
    table.prefix + name: make()
    for table in tables.values()
    for name, make in table.buffers.items()
  }


def step(name: str, argv: list[str]) -> dict[str, float]:
  """Runs `scenetok convert` in its own process: seconds and peak bytes."""
  start = time.monotonic()
  command = [sys.executable, "-m", "scenetok_jax.cli.convert", *argv]
  subprocess.run(
    command, check=True, env={**os.environ, "JAX_PLATFORMS": "cpu"}
  )
  # The largest child so far; the steps are ordered by what they need.
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
  return {
    f"{name}_seconds": time.monotonic() - start,
    f"{name}_peak_bytes_so_far": peak,
  }


def same(a: Path, b: Path) -> bool:
  """Whether two files hold the same tensors, bit for bit."""
  first, second = read_tensors(a), read_tensors(b)
  return set(first) == set(second) and all(
    np.array_equal(first[name], second[name]) for name in first
  )


if __name__ == "__main__":
  main()
