"""Compiles a configuration for a slice or cluster that you need not have."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.aot.batches import largest
from scenetok_jax.aot.program import Program, render_program, train_program
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
  slices: Few = option(
    1,
    "such slices, joined by the network of the data centre; data runs over"
    " them",
  )
  mesh: str = option(
    "", "sizes as data=8,fsdp=8 (default: the configuration's)"
  )
  what: str = option(
    "train",
    "a training step, or rendering (stage 2: generating)",
    choices=("train", "render"),
  )
  batch: Few | None = option(
    None, "windows or scenes of a replica that are rendered at once (1)"
  )
  search: bool = option(
    False,
    "choose mesh and remat even where the configuration says them; of"
    " rendering, the largest batch that fits",
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
  if options.batch is not None and options.what == "train":
    raise InputError(
      "--batch: of --what=render alone; of a training step it is"
      " --config.data.batch_size"
    )
  chip, grid = parse_topology(options.topology)
  devices = topology_devices(chip, grid, options.slices)
  config = auto.with_compute(config, chip)
  if options.search and options.what == "train":
    config.update({"remat": AUTO, "mesh": dict.fromkeys(AXES, 0)})
  if options.mesh:
    config.mesh = parse_mesh(options.mesh)
  result = {
    "topology": grid,
    "slices": options.slices,
    "chip": chip.name,
    "program": options.what,
    "dtype": config.dtype,
    "attention": config.attention,
  }
  place = _rendering if options.what == "render" else _training
  return result | place(config, options, devices, chip)


def _training(
  config: ConfigDict, options: AotOptions, devices: list[Any], chip: Accelerator
) -> dict[str, Any]:
  """A training step on the mesh and by the policy that are said or chosen."""
  if any(config.mesh.values()):
    shape = mesh_shape(dict(config.mesh), len(devices))
    check_batch(config.data.batch_size, config.train.accumulate, shape)
  compiled = functools.partial(
    _compile, devices=devices, chip=chip, build=train_program
  )
  result = {"global_batch": config.data.batch_size}
  if auto.is_placed(config):
    return result | compiled(config)
  return result | search(config, devices, chip, options.tries, compiled)


def _rendering(
  config: ConfigDict, options: AotOptions, devices: list[Any], chip: Accelerator
) -> dict[str, Any]:
  """Windows or scenes, a batch of them or as many as fit."""
  if config.remat == AUTO:
    config.remat = "none"  # no gradient

  def compiled(batch: int) -> dict[str, Any]:
    build = functools.partial(render_program, batch=batch)
    found = _compile(config, devices=devices, chip=chip, build=build)
    return {"batch": batch, **found}

  first = options.batch or 1
  if options.search:
    return largest(compiled, first, options.tries)
  return compiled(first)


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
  config: ConfigDict,
  *,
  devices: list[Any],
  chip: Accelerator,
  build: Callable[[ConfigDict, Mesh], Program],
) -> dict[str, Any]:
  mesh = make_mesh(dict(config.mesh), devices)
  return {
    "remat": config.remat,
    "accumulate": config.train.accumulate,
    **report(build(config, mesh), mesh, chip),
  }
