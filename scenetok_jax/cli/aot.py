"""Compiles a training step for a TPU slice that you need not have."""

import importlib.util
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax import console
from scenetok_jax.aot import program
from scenetok_jax.aot import report as aot_report
from scenetok_jax.aot import search as aot_search
from scenetok_jax.aot.chips import GIB, Chip, parse_topology
from scenetok_jax.io import write_json
from scenetok_jax.parallel.mesh import AXES, make_mesh
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

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


def main(argv: Sequence[str] | None = None) -> int:
  """Prints memory, FLOPs, collectives and a time estimate per chip."""
  parser = console.parser("aot", __doc__ or "")
  add = parser.add_argument
  add("--config", required=True, help="configuration, FILE.py[:variant]")
  add("--topology", required=True, help="CHIP:GRID as v5p:4x4x4, or v5p-128")
  add("--mesh", help="sizes as data=8,fsdp=8 (default: the configuration's)")
  add("--render", action="store_true", help="rendering or generating instead")
  add("--search", action="store_true", help="find a mesh and remat that fit")
  add("--tries", type=int, default=4, help="compilations --search may take")
  add(
    "--effort",
    choices=("quick", "full"),
    default="quick",
    help="of the compiler: full is what a run uses, and 4 times as long",
  )
  add("--json", metavar="FILE", help="write the numbers here")
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.remat=full)."
  args, overrides = parser.parse_known_args(argv)
  config = load_config(args.config, overrides)
  chip, grid = parse_topology(args.topology)
  if args.mesh:
    config.mesh = parse_mesh(args.mesh)
  devices = topology_devices(grid)
  result = {
    "config": args.config,
    "topology": grid,
    "chip": chip.name,
    "program": "render" if args.render else "train",
    "global_batch": config.data.batch_size,
    "dtype": config.dtype,
  }
  if args.search and not args.render:
    result |= search(config, devices, chip, args.tries, args.effort)
  else:
    result |= compiled(config, devices, chip, args.render, args.effort)
  if args.json:
    write_json(args.json, result)
  if "nothing_fits" in result:
    raise InputError(result["nothing_fits"])
  print("\n".join(lines(result)))
  return 0


def parse_mesh(text: str) -> dict[str, int]:
  """'data=8,fsdp=8' -> axis sizes; InputError if it is anything else."""
  sizes = {axis: 1 for axis in AXES}
  for part in text.split(","):
    axis, _, size = part.partition("=")
    if axis not in AXES or not size.lstrip("-").isdigit():
      raise InputError(
        f"--mesh: {part!r}: give sizes of {', '.join(AXES)}, such as"
        " data=8,fsdp=8"
      )
    sizes[axis] = int(size)
  return sizes


def topology_devices(grid: str) -> list[Any]:
  """The devices of a slice, described by libtpu.

  Raises:
    InputError: libtpu is not installed, or knows no such slice.
  """
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


def compiled(
  config: ConfigDict,
  devices: list[Any],
  chip: Chip,
  render: bool = False,
  effort: str = "quick",
) -> dict[str, Any]:
  """Compiles one choice of mesh and policy."""
  mesh = make_mesh(dict(config.mesh), devices)
  build = program.render_program if render else program.train_program
  return {
    "remat": config.remat,
    "accumulate": config.train.accumulate,
    **aot_report.report(build(config, mesh), mesh, chip, effort),
  }


def search(
  config: ConfigDict,
  devices: list[Any],
  chip: Chip,
  tries: int,
  effort: str = "quick",
) -> dict[str, Any]:
  """The first candidate that the compiler finds to fit.

  Without any, fits=False, what was tried, and why in words.
  """
  found = aot_search.candidates(config, devices, chip)
  tried: list[dict[str, Any]] = []
  for candidate in _within(found, tries):
    print(
      f"compiling {_mesh_text(candidate.mesh)}, remat={candidate.remat},"
      f" {candidate.accumulate} micro-batches; forecast"
      f" {candidate.forecast / GIB:.1f} GiB",
      file=sys.stderr,
    )
    choice = aot_search.with_candidate(config, candidate)
    result = compiled(choice, devices, chip, effort=effort)
    tried.append(
      {
        "mesh": candidate.mesh,
        "remat": candidate.remat,
        "accumulate": candidate.accumulate,
        "forecast_bytes": candidate.forecast,
        "hbm_bytes_per_chip": result["hbm_bytes_per_chip"],
      }
    )
    if result["fits"]:
      return {**result, "tried": tried}
  reason = aot_search.nothing_fits(config, chip, len(devices), len(tried))
  return {"fits": False, "tried": tried, "nothing_fits": reason}


def _within(
  found: Iterator[aot_search.Candidate], tries: int
) -> Iterator[aot_search.Candidate]:
  """The first tries - 1, then of all others the one that needs least."""
  yield from itertools.islice(found, tries - 1)
  rest = list(found)
  if rest:
    yield min(rest, key=lambda candidate: candidate.forecast)


def lines(result: dict[str, Any]) -> list[str]:
  """The report as text."""
  capacity, total = result["hbm_capacity_bytes"], result["hbm_bytes_per_chip"]
  verdict = "fits" if result["fits"] else "DOES NOT FIT"
  out = [
    f"{result['config']}  {result['program']}  on {result['chips']}"
    f" {result['chip']} chips ({result['topology']})",
    f"  {_mesh_text(result['mesh'])}  remat={result['remat']}"
    f"  global batch {result['global_batch']}"
    f" in {result['accumulate']} micro-batches  {result['dtype']}",
    f"memory of a chip: {_gib(total)} of {_gib(capacity)}: {verdict}",
  ]
  out += [
    f"  {name:<14}{_gib(size):>11}"
    for name, size in result["memory"].items()
    if size
  ]
  out.append(f"FLOPs of a chip: {result['flops_per_chip'] / 1e12:.3f} T")
  if result["collectives"] is None:
    out.append("no estimate: the compiler stops at a program that is too large")
    return out
  out += [
    f"  {result['flops_ratio']:.3f} of the analytic count over all chips",
    f"  HBM traffic {_gib(result['hbm_traffic_bytes_per_chip'])},"
    f" {result['arithmetic_intensity']:.0f} FLOPs a byte",
    "collectives of a step:",
  ]
  out += [
    f"  {kind:<20}{int(row['count']):>6} x  {_gib(row['bytes']):>11} sent"
    for kind, row in result["collectives"].items()
  ]
  roofs = result["roofline_seconds"]
  out += [
    "step time:",
    *(f"  {name:<14}{seconds:>10.4f} s" for name, seconds in roofs.items()),
    f"  estimate      {result['estimated_step_seconds']:>10.4f} s,"
    f" {result['estimated_utilisation']:.0%} of the matrix peak",
    f"  assumed: {result['assumptions']}",
  ]
  return out


def _mesh_text(mesh: dict[str, int]) -> str:
  sizes = [f"{axis}={n}" for axis, n in mesh.items() if n > 1]
  return "mesh " + (", ".join(sizes) or "of one device")


def _gib(count: float) -> str:
  if count < 0.01 * GIB:
    return f"{count / (1 << 20):.2f} MiB"
  return f"{count / GIB:.2f} GiB"


if __name__ == "__main__":
  sys.exit(console.run(main))
