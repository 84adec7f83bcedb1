"""What each recipe of docs/training_recipes.md is worth, on small rooms.

  python -m benchmarks.recipes --data=data/rooms --docs=docs/training_recipes.md
  python -m benchmarks.recipes --data=data/rooms --costs

Trains configs/quickstart.py once for each recipe and seed, the same draws and
numbers of steps (several clips of a scene: the same time), and scores every run
on the unseen rooms of --data. Finished runs are kept in --runs, so a stopped
command goes on. --costs times steps first, the recipes in turns, with nothing
beside; the table has them once they are measured.
"""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import marks
from scenetok_jax import console
from scenetok_jax.io import write_json
from scenetok_jax.reading.json_text import read_json, read_rows

MARK = "RECIPES"
STEPS = 1200
_SCENES = 16
_TIMED = 121  # steps: six times 20, and one that ends the schedule
_COSTS = "costs.json"


class Recipe(NamedTuple):
  """what: its row. config: FILE.py[:variant]. fields: overrides. steps: all."""

  what: str
  config: str = "configs/quickstart.py"
  fields: tuple[str, ...] = ()
  steps: int = STEPS


RECIPES = {
  "adamw": Recipe("AdamW, as the configuration is"),
  "adamw2": Recipe(
    "AdamW, rate 2e-3", fields=("optimizer.learning_rate=2e-3",)
  ),
  "muon": Recipe("Muon, rate 1e-3", fields=("optimizer.name=muon",)),
  "muon2": Recipe("Muon, rate 2e-3", "configs/quickstart.py:muon"),
  "wsd": Recipe(
    "warm-up, stable, decay",
    fields=("optimizer.schedule=wsd", "optimizer.decay_share=0.2"),
  ),
  "clips": Recipe(
    "three clips of 8 scenes",
    fields=("data.batch_size=8", "data.target_clips=3"),
    steps=STEPS * 4 // 3,
  ),
  "ema": Recipe("average of width 0.05", fields=("optimizer.ema_std=0.05",)),
  "lapped": Recipe("lapped codec", "configs/quickstart.py:lapped"),
  "fine": Recipe("lapped codec, 16-pixel blocks", "configs/quickstart.py:fine"),
  "prope": Recipe("PRoPE", "configs/quickstart.py:prope"),
  "both": Recipe(
    "PRoPE and Muon, rate 2e-3", "configs/quickstart.py:prope,muon"
  ),
  "all": Recipe(
    "the same with 16-pixel blocks", "configs/quickstart.py:prope,muon,fine"
  ),
}


def main(argv: Sequence[str] | None = None) -> None:
  parser = console.parser("benchmarks.recipes", __doc__ or "")
  add = parser.add_argument
  add("--data", required=True, help="prepared rooms: train, test")
  add("--runs", type=Path, default=Path("runs/recipes"))
  add("--only", nargs="+", default=list(RECIPES), choices=RECIPES)
  add("--seeds", nargs="+", type=int, default=[0])
  add("--costs", action="store_true", help="time steps; no training")
  add("--docs", type=Path, help="page whose table is replaced")
  args = parser.parse_args(argv)
  if args.costs:
    costs = {name: seconds(args.data, args.runs, name) for name in args.only}
    write_json(args.runs / _COSTS, costs)
  else:
    for seed in args.seeds:
      for name in args.only:
        trained(args.data, args.runs / f"{name}-{seed}", RECIPES[name], seed)
  text = table(args.runs)
  print(text)
  if args.docs:
    marks.replace(args.docs, MARK, text)


def trained(data: str, workdir: Path, recipe: Recipe, seed: int) -> None:
  """Trains to the end, or goes on with what was interrupted."""
  if not (workdir / "finished.json").exists():
    fields = [f"seed={seed}", f"train.eval_every={recipe.steps}"]
    fields.append(f"train.eval_scenes={_SCENES}")
    train(data, workdir, recipe, recipe.steps, fields)


def seconds(data: str, runs: Path, name: str) -> float:
  """Of a step, the median of a short run; its folder may be deleted."""
  workdir = runs / f"cost-{name}"
  train(data, workdir, RECIPES[name], _TIMED, ["train.log_every=20"])
  rows = read_rows(workdir / "metrics.jsonl")
  return float(np.median([row["step_seconds"] for _, row in rows]))


def train(
  data: str, workdir: Path, recipe: Recipe, steps: int, fields: Iterable[str]
) -> None:
  """One run of `scenetok train`, in its own process."""
  fields = [
    f"data.path={data}", f"train.total_steps={steps}",
    f"optimizer.decay_steps={steps}", *recipe.fields, *fields,
  ]  # fmt: skip
  command = [
    sys.executable, "-m", "scenetok_jax.cli.train", f"--config={recipe.config}",
    f"--workdir={workdir}", *(f"--config.{field}" for field in fields),
  ]  # fmt: skip
  print(" ".join(command[1:]), file=sys.stderr, flush=True)
  subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def table(runs: Path) -> str:
  """Recipes by what their finished runs scored; seeds are averaged."""
  costs = read_json(runs / _COSTS) if (runs / _COSTS).exists() else {}
  lines = [
    "| recipe | steps | seconds a step | seeds | sampled | one step | gap |",
    "|---|---|---|---|---|---|---|",
  ]
  for name, recipe in RECIPES.items():
    found = [
      list(read_rows(path / "eval.jsonl"))[-1][1]
      for path in sorted(runs.glob(f"{name}-[0-9]*"))
      if (path / "finished.json").exists()
    ]
    if found:
      lines.append(row(recipe, costs.get(name), found))
  return "\n".join(lines)


def row(
  recipe: Recipe, cost: float | None, found: Sequence[dict[str, Any]]
) -> str:
  """The mean over seeds, and the least and the largest of several."""
  keys = ("psnr", "one_step_psnr", "conditioning_gap_db")
  scores = [spread([score[key] for score in found]) for key in keys]
  spent = "" if cost is None else f"{cost:.2f}"
  cells = [recipe.what, f"{recipe.steps:,}", spent, f"{len(found)}", *scores]
  return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float]) -> str:
  mean = f"{np.mean(values):.2f}"
  if len(values) == 1:
    return mean
  return f"{mean} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
  sys.exit(console.run(main, verb="recipes benchmark"))
