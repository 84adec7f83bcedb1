"""What a program will need and take on a chip that is not there."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import jinja2
from jax.sharding import Mesh

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import Cost, Operation, cost
from scenetok_jax.aot.program import Program
from scenetok_jax.aot.topology import Accelerator
from scenetok_jax.io import gib
from scenetok_jax.train.memory import needed_bytes

# Shares of the peaks that a step is assumed to reach; ours: round numbers in
# the range that large transformers report.
MATMUL_SHARE = 0.6
MEMORY_SHARE = 0.8
LINK_SHARE = 0.8
# Keys that a program that does not fit has no value for.
_UNKNOWN = (
  "collective_bytes_per_chip",
  "collectives",
  "kernels",
  "estimated_step_seconds",
  "estimated_utilisation",
  "compile_seconds",
  "breakdown",
)
_AMOUNTS = ("count", "flops", "bytes", "seconds")


def report(program: Program, mesh: Mesh, chip: Accelerator) -> dict[str, Any]:
  """Compiles a program for the mesh and describes it, JSON-able.

  A program that does not fit is described by what the compiler says it would
  need; its collectives and times are None then.

  For TPUs it is compiled at XLA's least effort, in a quarter of a run's time,
  for the same FLOPs and collectives, and memory within 10 %; what comes nearer
  to the capacity is compiled again in full.
  """
  first, *more = chip.efforts()
  result = _report(program, mesh, chip, first)
  for options in more:
    if 0.9 * chip.hbm < result["hbm_bytes_per_chip"] <= 1.1 * chip.hbm:
      result = _report(program, mesh, chip, options)
  return result


def _report(
  program: Program, mesh: Mesh, chip: Accelerator, options: dict[str, Any]
) -> dict[str, Any]:
  held = sum(program.held.values())
  result = {
    "chips": mesh.size,
    "mesh": dict(mesh.shape),
    "hbm_capacity_bytes": chip.hbm,
  }
  try:
    with jax.set_mesh(mesh):
      lowered = program.jitted.lower(*program.arguments)
      start = time.perf_counter()
      compiled = lowered.compile(compiler_options=options)
  except jax.errors.JaxRuntimeError as error:
    needed = needed_bytes(str(error), held)
    if needed is None:
      raise
    return {
      **result,
      "fits": False,
      "hbm_bytes_per_chip": needed,
      "memory": program.held,
      "flops_per_chip": program.flops / mesh.size,
      **dict.fromkeys(_UNKNOWN),
      **rates(program.made, None),
    }
  seconds = time.perf_counter() - start
  memory = compiled.memory_analysis()
  parts = {
    **program.held,
    **program.waiting,
    "activations": memory.temp_size_in_bytes,
    "outputs": memory.output_size_in_bytes - memory.alias_size_in_bytes,
    "program": memory.generated_code_size_in_bytes,
    # To tiles: inputs are larger than their elements.
    "padding": memory.argument_size_in_bytes - held,
  }
  total = sum(parts.values())
  found = cost(parse(compiled.as_text()))
  times = estimate(found, chip)
  return {
    **result,
    "fits": total <= chip.hbm,
    "hbm_bytes_per_chip": total,
    "memory": parts,
    "flops_per_chip": found.flops,
    "flops_ratio": found.flops * mesh.size / program.flops,
    "hbm_traffic_bytes_per_chip": found.bytes,
    "collective_bytes_per_chip": found.sent,
    "collectives": collectives(found),
    "kernels": dict(sorted(found.kernels.items())),
    "loops_of_unknown_length": found.unknown_loops,
    "compile_seconds": seconds,
    "breakdown": breakdown(found, chip),
    **times,
    **rates(program.made, times["estimated_step_seconds"]),
  }


def rates(made: dict[str, int], seconds: float | None) -> dict[str, Any]:
  """What a rendering call makes, and how fast; seconds: None if unknown."""
  speed = 1 / seconds if seconds else None
  found: dict[str, Any] = {**made}
  if "frames" in made:
    found["frames_per_second"] = speed and made["frames"] * speed
  if "scenes" in made:
    found["scenes_per_minute"] = speed and 60 * made["scenes"] * speed
  return found


def estimate(found: Cost, chip: Accelerator) -> dict[str, Any]:
  """Seconds of a step by each roof at its full peak, and the estimate.

  estimated_utilisation is the share of the matrix units' peak in that time.
  """
  busy = sum(
    count * _seconds(operation, chip)
    for operation, count in found.operations.items()
  )
  roofs = {
    "compute": found.flops / chip.flops,
    "memory": found.bytes / chip.bandwidth,
    "interconnect": sum(
      count * collective.sent / chip.sending(collective)
      for collective, count in found.collectives.items()
    ),
  }
  step = busy + roofs["interconnect"] / LINK_SHARE
  return {
    "roofline_seconds": roofs,
    "estimated_step_seconds": step,
    "estimated_utilisation": roofs["compute"] / step if step else 0.0,
    "assumptions": (
      f"matrix units at {MATMUL_SHARE:.0%} and HBM at {MEMORY_SHARE:.0%} of"
      " their peaks, each operation as slow as the slower of the two;"
      f" {chip.links_text}, at {LINK_SHARE:.0%} of the links, not overlapped"
      " with computation"
    ),
  }


def breakdown(found: Cost, chip: Accelerator) -> list[dict[str, Any]]:
  """Operations by where they were written, those that take longest first."""
  rows: dict[str, dict[str, Any]] = {}
  for operation, count in found.operations.items():
    empty = {"name": operation.name, **dict.fromkeys(_AMOUNTS, 0)}
    row = rows.setdefault(operation.name, empty)
    row["count"] += count
    row["flops"] += count * operation.flops
    row["bytes"] += count * operation.moved
    row["seconds"] += count * _seconds(operation, chip)
  return sorted(rows.values(), key=lambda row: -row["seconds"])


def _seconds(operation: Operation, chip: Accelerator) -> float:
  """What an operation is assumed to take."""
  return max(
    operation.flops / (chip.flops * MATMUL_SHARE),
    operation.moved / (chip.bandwidth * MEMORY_SHARE),
  )


def collectives(found: Cost) -> dict[str, dict[str, float]]:
  """Per kind: how many run in a step, and the bytes one chip sends."""
  kinds: dict[str, dict[str, float]] = defaultdict(
    lambda: {"count": 0, "bytes": 0.0}
  )
  for collective, count in found.collectives.items():
    between = ", between slices" if collective.between_slices else ""
    row = kinds[collective.kind + between]
    row["count"] += count
    row["bytes"] += count * collective.sent
  return dict(sorted(kinds.items()))


def lines(result: dict[str, Any], dearest: int = 0) -> list[str]:
  """What compile_for_slice found as text, with the name of its config.

  dearest: so many rows of the breakdown follow.
  """
  text = Path(__file__).with_suffix(".txt").read_text("utf-8")
  page = jinja2.Template(text, trim_blocks=True)
  return page.render(
    result, mesh_text=mesh_text, gib=gib, dearest=dearest
  ).splitlines()


def mesh_text(mesh: dict[str, int]) -> str:
  """Axis sizes above 1, in words."""
  sizes = [f"{axis}={n}" for axis, n in mesh.items() if n > 1]
  return "mesh " + (", ".join(sizes) or "of one device")
