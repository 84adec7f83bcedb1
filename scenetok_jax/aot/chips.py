"""What is known of TPU chips and slices: memory, peaks, links, devices."""

import dataclasses
import importlib.util
import os
import re
from typing import Any

from scenetok_jax.types import InputError

GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Chip:
  """One TPU chip, from Google's public documentation.

  A v4 chip shows itself as two devices: its row is half a chip.
  """

  name: str
  hbm: int  # usable bytes, what the compiler allows a program
  flops: float  # bfloat16 FLOP/s of the matrix units, float32's by default too
  bandwidth: float  # HBM bytes/s
  link: float  # bytes/s of one link to a neighbour, one way


CHIPS = {
  chip.name: chip
  for chip in (
    Chip("v4", int(15.25 * GIB), 137.5e12, 6e11, 4.5e10),
    Chip("v5e", int(15.75 * GIB), 197e12, 8.1e11, 4.5e10),
    Chip("v5p", int(95.74 * GIB), 459e12, 2.76e12, 9.0e10),
    Chip("v6e", int(31.25 * GIB), 918e12, 1.64e12, 9.0e10),
  )
}
# Cloud names of the slices in docs/performance.md; those of v5p and v4 count
# tensor cores, two a chip.
SLICES = {
  "v5e-16": "v5e:4x4",
  "v5e-64": "v5e:8x8",
  "v5e-256": "v5e:16x16",
  "v5p-32": "v5p:2x2x4",
  "v5p-128": "v5p:4x4x4",
  "v5p-256": "v5p:4x4x8",
  "v6e-16": "v6e:4x4",
  "v6e-64": "v6e:8x8",
  "v6e-256": "v6e:16x16",
}
# Set before libtpu loads: it compiles only, so it needs no chip of its own,
# no lock against other processes and no metadata server.
_LIBTPU = {
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_WORKER_HOSTNAMES": "localhost",
  "TPU_ACCELERATOR_TYPE": "none",
  "TPU_STDERR_LOG_LEVEL": "3",
  "TPU_MIN_LOG_LEVEL": "3",
}


def parse_topology(name: str) -> tuple[Chip, str]:
  """'v5p:4x4x4' or 'v5p-128' -> the chip, and the name libtpu knows."""
  grid = SLICES.get(name, name)
  match = re.fullmatch(r"(\w+):(\d+(?:x\d+)+)", grid)
  if match is None or match[1] not in CHIPS:
    raise InputError(
      f"--topology: {name!r}: give CHIP:GRID with a chip of"
      f" {', '.join(CHIPS)}, such as v5p:4x4x4 or v5e:8x8, or one of"
      f" {', '.join(SLICES)}"
    )
  return CHIPS[match[1]], grid


def topology_devices(grid: str) -> list[Any]:
  """The devices of a slice, described by libtpu, where it is installed."""
  if importlib.util.find_spec("libtpu") is None:
    raise InputError(
      "--topology: libtpu is not installed; it compiles on any machine:"
      " pip install -e '.[tpu]'"
    )
  for name, value in _LIBTPU.items():
    os.environ.setdefault(name, value)
  # The host runs nothing; without this JAX looks for chips.
  os.environ.setdefault("JAX_PLATFORMS", "cpu")
  from jax.experimental import topologies

  try:
    return list(topologies.get_topology_desc(grid, platform="tpu").devices)
  except Exception as error:
    # libtpu reports an unknown grid by several exception types.
    reason = str(error).strip().splitlines()[0]
    raise InputError(
      f"--topology: {grid!r}: libtpu refuses it ({reason[:120]}); use a grid"
      " that Google offers, such as v5e:4x4 or v5p:2x2x4"
    ) from error
