"""Names of slices and clusters -> their chip and devices."""

from typing import Any

from scenetok_jax.aot import chips, gpus
from scenetok_jax.aot.chips import CHIPS, SLICES, Chip
from scenetok_jax.aot.gpus import GPUS, Gpu
from scenetok_jax.types import InputError

Accelerator = Chip | Gpu


def parse_topology(name: str) -> tuple[Accelerator, str]:
  """'v5p:4x4x4', 'v5p-128', 'h100:4x8' -> chip, its compiler's name for it."""
  if gpu := gpus.parse_cluster(name):
    return gpu, name
  if found := chips.parse_slice(name):
    return found
  raise InputError(
    f"--topology: {name!r}: give CHIP:GRID with a TPU of {', '.join(CHIPS)},"
    " such as v5p:4x4x4 or v5e:8x8, or GPU:NODESxGPUS with one of"
    f" {', '.join(GPUS)}, such as h100:4x8, or one of {', '.join(SLICES)}"
  )


def topology_devices(
  chip: Accelerator, name: str, slices: int = 1
) -> list[Any]:
  """Devices that need not exist; chip, name: of parse_topology.

  slices: of so many chips each, joined by the network of a data centre.
  InputError where their compiler is not installed, or refuses the name.
  """
  if not isinstance(chip, Gpu):
    return chips.topology_devices(chip, name, slices)
  if slices > 1:
    raise InputError(
      f"--slices: of TPUs alone; a cluster of GPUs has nodes, as {chip.name}:"
      f"{slices}x{chip.node}"
    )
  return gpus.cluster_devices(chip, name)
