"""The report of a compiled program as text."""

from typing import Any

from scenetok_jax.aot.chips import GIB


def lines(result: dict[str, Any]) -> list[str]:
  """The report of compile_for_slice, with the name of its config."""
  capacity, total = result["hbm_capacity_bytes"], result["hbm_bytes_per_chip"]
  out = [
    f"{result['config']}  {result['program']}  on {result['chips']}"
    f" {result['chip']} chips ({result['topology']})",
    f"  {mesh_text(result['mesh'])}  remat={result['remat']}"
    f"  global batch {result['global_batch']}"
    f" in {result['accumulate']} micro-batches  {result['dtype']}",
    f"memory of a chip: {gib(total)} of {gib(capacity)}:"
    f" {'fits' if result['fits'] else 'DOES NOT FIT'}",
    *(
      f"  {name:<14}{gib(size):>11}"
      for name, size in result["memory"].items()
      if size
    ),
    f"FLOPs of a chip: {result['flops_per_chip'] / 1e12:.3f} T",
  ]
  if result["collectives"] is None:
    out.append("no estimate: the compiler stops at a program that is too large")
    return out
  return [
    *out,
    f"  {result['flops_ratio']:.3f} of the analytic count over all chips",
    f"  HBM traffic {gib(result['hbm_traffic_bytes_per_chip'])}",
    "collectives of a step:",
    *(
      f"  {kind:<20}{int(row['count']):>6} x  {gib(row['bytes']):>11} sent"
      for kind, row in result["collectives"].items()
    ),
    "step time:",
    *(
      f"  {name:<14}{seconds:>10.4f} s"
      for name, seconds in result["roofline_seconds"].items()
    ),
    f"  estimate      {result['estimated_step_seconds']:>10.4f} s,"
    f" {result['estimated_utilisation']:.0%} of the matrix peak",
    f"  assumed: {result['assumptions']}",
  ]


def mesh_text(mesh: dict[str, int]) -> str:
  """Axis sizes above 1, in words."""
  sizes = [f"{axis}={n}" for axis, n in mesh.items() if n > 1]
  return "mesh " + (", ".join(sizes) or "of one device")


def gib(count: float) -> str:
  """Bytes in MiB or GiB."""
  if count < 0.01 * GIB:
    return f"{count / (1 << 20):.2f} MiB"
  return f"{count / GIB:.2f} GiB"
