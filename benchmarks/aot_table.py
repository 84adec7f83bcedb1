"""Every published configuration on every slice: the docs' tables of them.

  python -m benchmarks.aot_table --cache report/aot --docs docs/performance.md
  python -m benchmarks.aot_table --gpus --docs docs/performance.md
  python -m benchmarks.aot_table --render --docs docs/performance_rendering.md

Each cell compiles the real train step for a slice or cluster that need not
exist (scenetok aot, in its own process), or rendering for one chip. Finished
cells are kept in --cache, so a stopped run goes on; delete the folder to start
over.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks import marks
from scenetok_jax import console

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
CHIPS = ("h100:1x1", "a100:1x1", "v5e:1x1", "v6e:1x1", "v5p:1x1x1")
# Another shift is the same program.
RENDERED = tuple(name for name in CONFIGS if "shift12" not in name)
GIB = 1 << 30
# The cells with the written-out attention, whole moments on every replica, and
# traffic counted too high: what the columns "before" say.
BEFORE = ROOT / "benchmarks" / "aot_before.json"


class Table(NamedTuple):
  """mark: its name in the docs. row: columns of a cell by their heads.

  arguments: of scenetok aot. suffix: of the files of cells.
  """

  mark: str
  configs: tuple[str, ...]
  topologies: tuple[str, ...]
  row: Callable[[dict[str, Any], str, str], dict[str, str]]
  arguments: tuple[str, ...] = ()
  suffix: str = ""


def main(argv: Sequence[str]) -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add("--cache", type=pathlib.Path, default=ROOT / "report" / "aot")
  add("--docs", type=pathlib.Path, help="file whose table is replaced")
  add("--only", default="", help="compile cells whose name contains this")
  add("--gpus", action="store_true", help="GPU clusters, not TPU slices")
  add("--render", action="store_true", help="rendering on one chip of a kind")
  add("--no-compile", action="store_true", help="print what the cache holds")
  args = parser.parse_args(argv)
  args.cache.mkdir(parents=True, exist_ok=True)
  table = TABLES["render" if args.render else "gpus" if args.gpus else "tpus"]
  paths = {
    (config, topology): args.cache
    / f"{config}.{topology}{table.suffix}.json".replace(":", "-")
    for config in table.configs
    for topology in table.topologies
  }
  # Slice by slice, so that a stopped run has something of every configuration.
  for config, topology in sorted(
    paths, key=lambda key: table.topologies.index(key[1])
  ):
    path = paths[config, topology]
    wanted = args.only in path.name and not args.no_compile
    if wanted and not path.exists():
      compile_cell(config, topology, path, table.arguments)
  text = drawn(
    [
      table.row(json.loads(path.read_text()), *key)
      for key, path in paths.items()
      if path.exists()
    ]
  )
  print(text)
  if args.docs:
    marks.replace(args.docs, f"AOT {table.mark}", text)


def compile_cell(
  config: str, topology: str, path: pathlib.Path, arguments: tuple[str, ...]
) -> None:
  """Searches what fits; an error is a result, too."""
  command = [
    sys.executable, "-m", "scenetok_jax.cli.aot",
    f"--config=configs/{config}", f"--topology={topology}",
    f"--json={path}", *arguments,
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


def render_row(
  cell: dict[str, Any], config: str, topology: str
) -> dict[str, str]:
  """The columns of a cell of rendering: one at a time, and as many as fit."""
  name = config.replace(".py", "")
  found = {"configuration": name, "chip": topology.partition(":")[0]}
  if not cell["fits"]:
    return found | {"largest batch": "none fits"}
  one = cell["tried"][0]
  return found | {
    "one at a time": speed(one),
    "its HBM": f"{one['hbm_bytes_per_chip'] / GIB:.1f} GiB",
    "largest batch": f"{cell['batch']}{'' if cell['largest'] else ' or more'}",
    "all at once": speed(cell),
    "their HBM": f"{cell['hbm_bytes_per_chip'] / GIB:.1f} GiB",
    "share of peak": f"{cell['estimated_utilisation']:.0%}",
  }


def speed(cell: dict[str, Any]) -> str:
  if "frames_per_second" in cell:
    return f"{cell['frames_per_second']:.1f} frames/s"
  return f"{cell['scenes_per_minute']:.1f} scenes/min"


TABLES = {
  "tpus": Table("TABLE", CONFIGS, TOPOLOGIES, row),
  "gpus": Table("TABLE OF GPUS", CONFIGS, CLUSTERS, row),
  "render": Table(
    "RENDER TABLE",
    RENDERED,
    CHIPS,
    render_row,
    ("--what=render", "--search", "--tries=6"),
    ".render",
  ),
}


if __name__ == "__main__":
  sys.exit(console.run(main, verb="aot_table benchmark"))
