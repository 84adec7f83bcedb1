"""What a run trains: names, shapes, sizes and where each array lies."""

from typing import Any

import jax
from clu.parameter_overview import get_parameter_overview
from ml_collections import ConfigDict

from scenetok_jax.io import locate, write_text
from scenetok_jax.parallel.mesh import mesh_shape
from scenetok_jax.parallel.rules import device_bytes
from scenetok_jax.reading.shown import say

OVERVIEW_FILE = "parameters.txt"


def write_overview(workdir: str, params: Any, config: ConfigDict) -> None:
  """Writes WORKDIR/parameters.txt and prints its totals; how it computes."""
  leaves = jax.tree.leaves(params)
  count = sum(leaf.size for leaf in leaves)
  line = (
    f"{count / 1e6:.2f} M parameters in {len(leaves)} arrays,"
    f" {device_bytes(params) / (1 << 20):.1f} MiB on each of"
    f" {jax.device_count()} devices"
  )
  path = locate(workdir) / OVERVIEW_FILE
  table = get_parameter_overview(params, include_stats="sharding")
  write_text(path, f"{line}\n{chosen(config)}\n{table}\n")
  say(f"{line}; see {path}\n{chosen(config)}", flush=True)


def chosen(config: ConfigDict) -> str:
  """The fields that may be "auto", as a run has them, in one line."""
  sizes = mesh_shape(dict(config.mesh), jax.device_count())
  axes = " ".join(f"{axis}={size}" for axis, size in sizes.items())
  names = ("dtype", "remat", "attention")
  fields = " ".join(f"{name}={config[name]}" for name in names)
  return f"{fields} mesh {axes} workers={config.data.workers}"
