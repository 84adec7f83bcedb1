"""Compiles a configuration for a TPU slice that you need not have."""

import dataclasses
import itertools
import sys
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.aot import search
from scenetok_jax.aot.chips import Chip, parse_topology, topology_devices
from scenetok_jax.aot.program import render_program, train_program
from scenetok_jax.aot.report import gib, mesh_text, report
from scenetok_jax.parallel.mesh import AXES, make_mesh
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class AotOptions:
  """For which slice to compile, what, and how hard to try."""

  topology: str = option(
    "", "CHIP:GRID as v5p:4x4x4, or v5p-128", required=True
  )
  mesh: str = option(
    "", "sizes as data=8,fsdp=8 (default: the configuration's)"
  )
  render: bool = option(False, "rendering or generating instead")
  search: bool = option(False, "find a mesh and remat that fit")
  tries: int = option(4, "compilations --search may take")


def compile_for_slice(
  config: ConfigDict, options: AotOptions
) -> dict[str, Any]:
  """Memory, FLOPs, collectives and a time estimate per chip, JSON-able.

  aot.report.report's values with what was compiled; config's mesh is replaced
  by that of the options. Where a search finds nothing: fits=False, what was
  tried, and nothing_fits: why, in words. InputError for an unknown slice or
  mesh, without libtpu, or where the batch does not divide over the mesh.
  """
  chip, grid = parse_topology(options.topology)
  if options.mesh:
    config.mesh = parse_mesh(options.mesh)
  devices = topology_devices(grid)
  result = {
    "topology": grid,
    "chip": chip.name,
    "program": "render" if options.render else "train",
    "global_batch": config.data.batch_size,
    "dtype": config.dtype,
  }
  if options.search and not options.render:
    return result | _search(config, devices, chip, options)
  return result | _compile(config, devices, chip, options)


def parse_mesh(text: str) -> dict[str, int]:
  """'data=8,fsdp=8' -> axis sizes; InputError if it is anything else."""
  sizes = dict.fromkeys(AXES, 1)
  for part in text.split(","):
    axis, _, size = part.partition("=")
    if axis not in AXES or not size.lstrip("-").isdigit():
      raise InputError(
        f"--mesh: {part!r}: give sizes of {', '.join(AXES)}, such as"
        " data=8,fsdp=8"
      )
    sizes[axis] = int(size)
  return sizes


def _compile(
  config: ConfigDict, devices: list[Any], chip: Chip, options: AotOptions
) -> dict[str, Any]:
  mesh = make_mesh(dict(config.mesh), devices)
  build = render_program if options.render else train_program
  return {
    "remat": config.remat,
    "accumulate": config.train.accumulate,
    **report(build(config, mesh), mesh, chip),
  }


def _search(
  config: ConfigDict, devices: list[Any], chip: Chip, options: AotOptions
) -> dict[str, Any]:
  """The first candidate that the compiler finds to fit."""
  found = search.candidates(config, devices, chip)
  tries = list(itertools.islice(found, options.tries - 1))
  # The last try goes to the one of all others that needs least.
  tries += sorted(found, key=lambda other: other.forecast_bytes)[:1]
  tried: list[dict[str, Any]] = []
  for candidate in tries:
    print(
      f"compiling {mesh_text(candidate.mesh)}, remat={candidate.remat},"
      f" {candidate.accumulate} micro-batches; forecast"
      f" {gib(candidate.forecast_bytes)}",
      file=sys.stderr,
    )
    choice = search.with_values(
      config,
      mesh=candidate.mesh,
      remat=candidate.remat,
      train={"accumulate": candidate.accumulate},
    )
    result = _compile(choice, devices, chip, options)
    needed = {"hbm_bytes_per_chip": result["hbm_bytes_per_chip"]}
    tried.append(dataclasses.asdict(candidate) | needed)
    if result["fits"]:
      return {**result, "tried": tried}
  how = (
    f"{len(tried)} candidates were compiled, the smallest among them"
    if tried
    else "by the forecast not even remat=full, fsdp and 8 micro-batches do"
  )
  reason = (
    f"--search: nothing fits {len(devices)} {chip.name} chips at a global batch"
    f" of {config.data.batch_size}: {how}; use more or larger chips"
  )
  return {"fits": False, "tried": tried, "nothing_fits": reason}
