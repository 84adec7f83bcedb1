"""Compiles a configuration for a slice or cluster that you need not have."""

import dataclasses
import functools
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.aot.program import render_program, train_program
from scenetok_jax.aot.report import report
from scenetok_jax.aot.search import search
from scenetok_jax.aot.topology import (
  Accelerator,
  parse_topology,
  topology_devices,
)
from scenetok_jax.ops.compute import AUTO
from scenetok_jax.parallel.mesh import AXES, check_batch, make_mesh, mesh_shape
from scenetok_jax.reading.schema import Few, Some
from scenetok_jax.train import auto
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class AotOptions:
  """For which slice to compile, what, and how hard to try."""

  topology: str = option(
    "",
    "CHIP:GRID as v5p:4x4x4, v5p-128, or GPU:NODESxGPUS as h100:4x8",
    required=True,
  )
  mesh: str = option(
    "", "sizes as data=8,fsdp=8 (default: the configuration's)"
  )
  render: bool = option(False, "rendering or generating instead")
  search: bool = option(
    False, "choose mesh and remat even where the configuration says them"
  )
  tries: Few = option(4, "compilations that the choice may take")
  breakdown: Some = option(
    0, "print so many of the operations that take longest"
  )


def compile_for_slice(
  config: ConfigDict, options: AotOptions
) -> dict[str, Any]:
  """Memory, FLOPs, collectives and a time estimate per chip, JSON-able.

  aot.report.report's values with what was compiled. What config leaves "auto"
  is chosen: dtype and attention of the chip, the first mesh and remat policy
  that the compiler finds to fit. Where none does: fits=False, what was tried,
  and nothing_fits: why, in words. InputError for an unknown slice or mesh,
  without its compiler, or where the batch does not divide over the mesh.
  """
  chip, grid = parse_topology(options.topology)
  devices = topology_devices(chip, grid)
  config = auto.with_compute(config, chip)
  if options.search:
    config.update({"remat": AUTO, "mesh": dict.fromkeys(AXES, 0)})
  if options.mesh:
    config.mesh = parse_mesh(options.mesh)
  if any(config.mesh.values()) and not options.render:
    shape = mesh_shape(dict(config.mesh), len(devices))
    check_batch(config.data.batch_size, config.train.accumulate, shape)
  result = {
    "topology": grid,
    "chip": chip.name,
    "program": "render" if options.render else "train",
    "global_batch": config.data.batch_size,
    "dtype": config.dtype,
    "attention": config.attention,
  }
  build = render_program if options.render else train_program
  compiled = functools.partial(
    _compile, devices=devices, chip=chip, build=build
  )
  if options.render and config.remat == AUTO:
    config.remat = "none"  # no gradient
  if options.render or auto.is_placed(config):
    return result | compiled(config)
  return result | search(config, devices, chip, options.tries, compiled)


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
  config: ConfigDict, *, devices: list[Any], chip: Accelerator, build: Any
) -> dict[str, Any]:
  mesh = make_mesh(dict(config.mesh), devices)
  return {
    "remat": config.remat,
    "accumulate": config.train.accumulate,
    **report(build(config, mesh), mesh, chip),
  }
