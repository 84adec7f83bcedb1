"""What is known of TPU chips and slices: memory, peaks, links, devices."""

import importlib.util
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scenetok_jax.aot.hlo_cost import Collective
from scenetok_jax.train.flops import PEAKS
from scenetok_jax.types import InputError, explained

GIB = 1 << 30
_LEAST_EFFORT = {
  "exec_time_optimization_effort": -1.0,
  "memory_fitting_effort": -1.0,
}


class Chip(NamedTuple):
  """One TPU chip; chips.toml holds the units and the source."""

  name: str
  kind: str
  cores: int
  hbm: int
  bandwidth: float
  link: float
  wrap: int
  network: float

  @property
  def platform(self) -> str:
    """As JAX calls it."""
    return "tpu"

  @property
  def links_text(self) -> str:
    """What `sending` assumes, in words."""
    return (
      "collectives along the torus dimensions that libtpu chose, both ways"
      " where their ends are joined, else as one ring both ways; between slices"
      " over a chip's share of its host's network adapters"
    )

  @property
  def flops(self) -> float:
    """Peak FLOP/s in bfloat16."""
    return self.cores * PEAKS[self.kind][0]

  def links(self, torus: Sequence[int]) -> int:
    """Links by which a chip sends at once along these dimensions of a slice.

    Two a dimension whose ends are joined, one a dimension that is a line; a
    lone ring (no dimension) has two.
    """
    if not torus:
      return 2
    cubes = len(torus) < 3 or not any(size % self.wrap for size in torus)
    return sum(1 + (cubes and size % self.wrap == 0) for size in torus)

  def sending(self, collective: Collective) -> float:
    """Bytes/s that a chip sends in a collective."""
    if collective.between_slices:
      return self.network
    return self.link * self.links(collective.torus)

  def efforts(self) -> list[dict[str, Any]]:
    """Compiler options to try: least effort, then a run's."""
    return [_LEAST_EFFORT, {}]


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
CHIPS = {name: Chip(name, **row) for name, row in _TABLES["chips"].items()}
SLICES: dict[str, str] = _TABLES["slices"]
_FLAGS = (
  Path(__file__).with_name("tpu_flags.txt").read_text("utf-8").splitlines()
)


def parse_slice(name: str) -> tuple[Chip, str] | None:
  """'v5p:4x4x4' or 'v5p-128' -> the chip, and the name libtpu knows.

  None for what names no TPU.
  """
  grid = SLICES.get(name, name)
  match = re.fullmatch(r"(\w+):(\d+(?:x\d+)+)", grid)
  if match is None or match[1] not in CHIPS:
    return None
  return CHIPS[match[1]], grid


def environment(present: Mapping[str, str]) -> dict[str, str]:
  """What libtpu needs to compile as for a run; `present` variables are kept."""
  flags = " ".join(line for line in _FLAGS if line.startswith("--"))
  given = present.get("LIBTPU_INIT_ARGS", "")
  flags = given if flags in given else f"{given} {flags}"
  return {**_TABLES["environment"], **present, "LIBTPU_INIT_ARGS": flags}


def topology_devices(chip: Chip, grid: str, slices: int = 1) -> list[Any]:
  """The devices of equal slices, described by libtpu, where it is installed."""
  if slices > 1 and not chip.network:
    raise InputError(
      f"--slices: how fast a {chip.name}'s network between slices is has not"
      " been published; compile one slice"
    )
  if importlib.util.find_spec("libtpu") is None:
    raise InputError(
      "--topology: libtpu is not installed; it compiles on any machine:"
      " pip install -e '.[tpu]'"
    )
  os.environ.update(environment(os.environ))
  from jax.experimental import topologies

  remedy = "use a grid that Google offers, such as v5e:4x4 or v5p:2x2x4"
  # Else hosts have several chips, and grids whole hosts.
  lone = set(grid.partition(":")[2].split("x")) == {"1"}
  host = {"chips_per_host_bounds": [1, 1, 1]} if lone else {}
  # libtpu reports an unknown grid by several exception types.
  with explained(f"--topology: {grid!r}: libtpu refuses it", remedy, Exception):
    several = {"num_slices": slices} if slices > 1 else {}
    found = topologies.get_topology_desc(
      grid, platform="tpu", **host, **several
    )
    return list(found.devices)
