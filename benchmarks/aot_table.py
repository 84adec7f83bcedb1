"""Every published configuration on every slice: docs/performance.md's tables.

  python benchmarks/aot_table.py --cache report/aot --docs docs/performance.md
  python benchmarks/aot_table.py --gpus --docs docs/performance.md

Each cell compiles the real train step for a slice or cluster that need not
exist (scenetok aot, in its own process). Finished cells are kept in
--cache, so a stopped run goes on; delete the folder to start over.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).parents[1]
CONFIGS = (
  "scenetok_re10k.py",
  "scenetok_re10k_paper.py",
  "scenetok_dl3dv_videodc.py",
  "scenetok_dl3dv_wan.py:shift8",
  "scenegen_re10k.py:shift4",
  "scenegen_re10k.py:shift12",
  "scenetok_512.py",
)
TOPOLOGIES = ("v5p-32", "v6e-64", "v5e-64", "v6e-16", "v5e-16", "v5p-128")
CLUSTERS = ("h100:1x4", "h100:1x8", "h100:4x8", "a100:1x8")
GIB = 1 << 30
MARK = "<!-- {} AOT TABLE{} -->"
# The cells with the written-out attention, whole moments on every replica, and
# traffic counted too high: what the columns "before" say.
BEFORE = ROOT / "benchmarks" / "aot_before.json"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add("--cache", type=pathlib.Path, default=ROOT / "report" / "aot")
  add("--docs", type=pathlib.Path, help="file whose table is replaced")
  add("--only", default="", help="compile cells whose name contains this")
  add("--gpus", action="store_true", help="GPU clusters, not TPU slices")
  add("--no-compile", action="store_true", help="print what the cache holds")
  args = parser.parse_args()
  args.cache.mkdir(parents=True, exist_ok=True)
  topologies = CLUSTERS if args.gpus else TOPOLOGIES
  paths = {
    (config, topology): args.cache
    / f"{config}.{topology}.json".replace(":", "-")
    for config in CONFIGS
    for topology in topologies
  }
  # Slice by slice, so that a stopped run has something of every configuration.
  for config, topology in sorted(paths, key=lambda k: topologies.index(k[1])):
    path = paths[config, topology]
    wanted = args.only in path.name and not args.no_compile
    if wanted and not path.exists():
      compile_cell(config, topology, path)
  table = drawn(
    [
      row(json.loads(path.read_text()), *key)
      for key, path in paths.items()
      if path.exists()
    ]
  )
  print(table)
  if args.docs:
    whose = " OF GPUS" if args.gpus else ""
    begin, end = MARK.format("BEGIN", whose), MARK.format("END", whose)
    text = args.docs.read_text()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    args.docs.write_text(f"{before}{begin}\n{table}\n{end}{after}")


def compile_cell(config: str, topology: str, path: pathlib.Path) -> None:
  """Searches a mesh and policy that fit; an error is a result, too."""
  command = [
    sys.executable, "-m", "scenetok_jax.cli.aot",
    f"--config=configs/{config}", f"--topology={topology}",
    f"--json={path}",
  ]  # fmt: skip
  print(" ".join(command[1:]), file=sys.stderr, flush=True)
  done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
  # Status 2 beside a result says that nothing fits, which is one.
  if not path.exists() or done.returncode not in (0, 2):
    raise SystemExit(f"{config} on {topology}: status {done.returncode}")


def drawn(rows: list[dict[str, str]]) -> str:
  """The columns that any row has, as a Markdown table."""
  heads = [
    head
    for head in dict.fromkeys(head for row in rows for head in row)
    if any(row.get(head) for row in rows)
  ]
  lines = [[row.get(head, "") for head in heads] for row in rows]
  return "\n".join(
    f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines)
  )


def row(cell: dict[str, Any], config: str, topology: str) -> dict[str, str]:
  """The columns of a cell by their heads."""
  name = config.replace(".py", "")
  if not cell["fits"]:
    return {"configuration": name, "slice": topology, "mesh": "nothing fits"}
  mesh = " ".join(f"{k}={n}" for k, n in cell["mesh"].items() if n > 1)
  sent = ", ".join(
    f"{kind} {row['bytes'] / GIB:.2f}"
    for kind, row in cell["collectives"].items()
    if row["bytes"] >= 0.005 * GIB
  )
  micro = cell["accumulate"]
  steps = f" in {micro} steps" if micro > 1 else ""
  before = json.loads(BEFORE.read_text()).get(name, {}).get(topology, {})
  return {
    "configuration": name,
    "global batch": f"{cell['global_batch']}{steps}",
    "slice": topology,
    "mesh": mesh,
    "remat": cell["remat"],
    "HBM per chip": f"{cell['hbm_bytes_per_chip'] / GIB:.1f} GiB",
    "HBM before": before.get("hbm", ""),
    "FLOPs per chip": f"{cell['flops_per_chip'] / 1e12:.1f} T",
    "of the count": f"{cell['flops_ratio']:.3f}",
    "traffic": f"{cell['hbm_traffic_bytes_per_chip'] / GIB:.0f} GiB",
    "collectives per step": (
      f"{cell['collective_bytes_per_chip'] / GIB:.2f} GiB ({sent})"
    ),
    "step": f"{cell['estimated_step_seconds']:.3f} s",
    "step before": before.get("step", ""),
    "share of peak": f"{cell['estimated_utilisation']:.0%}",
    "share before": before.get("share", ""),
  }


if __name__ == "__main__":
  main()
