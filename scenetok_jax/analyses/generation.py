"""Are generated scenes nearer to real ones than those of weaker generators?

Each scene's first frame is given, its path is walked, and all frames form one
set, as in the paper's gFID. The same generator is also given another scene's
cameras (shuffled pose), or no image at all (unconditional). With Inception's
weights the distance is FID; without them it is a Frechet distance of VGG16
features, which is not FID and compares only with itself.
"""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.analyses import plots, study
from scenetok_jax.evaluation import plan as evaluation_plan
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.bootstrap import Interval, pooled_interval
from scenetok_jax.evaluation.evaluator import EvaluationOptions, whole_frames
from scenetok_jax.evaluation.generation import BLIND, SHUFFLED
from scenetok_jax.evaluation.networks import WEIGHTS, Networks, load_networks
from scenetok_jax.evaluation.runner import generation
from scenetok_jax.evaluation.scores import CEILING, REAL, SceneResult
from scenetok_jax.evaluation.sheets import stack_sheets
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import write_png
from scenetok_jax.metrics import frechet
from scenetok_jax.metrics.registry import missing
from scenetok_jax.types import InputError

KIND = "generation"
LABELS = {
  "fid": "gFID",
  "fvd": "gFVD",
  "fd_vgg": "VGG Frechet distance, not FID",
}
_FEATURES = {"fid": "fid_inception", "fvd": "fvd_i3d", "fd_vgg": "vgg"}
_SHEETS = 4


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/generation.json, generation.png and a contact sheet."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  if args.scenes < 2:
    raise InputError("--scenes: 1 scene has no other's cameras; give 2 or more")
  if args.batch < 2:
    raise InputError(
      "--batch: 1 scene at a time has no other's cameras; give 2 or more"
    )
  nets = _networks(args)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = study.evaluation_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch) as scenetok:
    results, sheets = _generate(scenetok, options, nets, args)
  write_png(out / "generation_sheet.png", stack_sheets(sheets))
  found: dict[str, Any] = {}
  for metric in nets.weights:
    found[metric] = _report(metric, results, args)
  plots.bars(
    out / f"{KIND}.png",
    "distance to the true frames",
    {LABELS[metric]: rows["bars"] for metric, rows in found.items()},
  )
  result = {
    "checkpoint_step": scenetok.step,
    "scenes": len(results),
    "frames": sum(r.frames for r in results),
    "seconds_per_scene": np.mean([r.seconds for r in results]),
    "weights": nets.weights,
    "metrics": found,
  }
  study.write(out, KIND, result, args)
  return 0


def _networks(args: argparse.Namespace) -> Networks:
  """The metrics asked for; by default FID, or its stand-in without weights."""
  metrics = args.metrics
  if not metrics:
    reason = missing(WEIGHTS["fid"], args.metric_weights)
    metrics = ["fid"] if reason is None else ["fd_vgg"]
    if reason is not None:
      print(f"without FID: {reason}", file=sys.stderr)
  return load_networks(metrics, args.metric_weights)


def _generate(
  scenetok: SceneTok,
  options: EvaluationOptions,
  nets: Networks,
  args: argparse.Namespace,
) -> tuple[list[SceneResult], list[np.ndarray]]:
  """All scenes' features, and the sheets of the first scenes."""
  path = args.data or scenetok.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  split = args.split or evaluation_split(path)
  plan = evaluation_plan.first_views(
    path,
    split,
    args.scenes,
    lambda frames: whole_frames(scenetok.model, frames),
  )
  if len(plan.sources) < 2:
    raise InputError(
      f"{path}: split {split}: 1 scene has no other's cameras; prepare 2 or"
      " more"
    )
  height = records.Dataset(path, split).scenes[0].height
  evaluation_plan.check_size(path, plan, scenetok.model.image_size, height)
  compute = generation(scenetok, options, nets)
  results, sheets = [], []
  with console.Progress("scenes", len(plan.sources), "scene") as progress:
    for batch in batches(plan.sources, args.batch):
      for result, sheet in compute(batch):
        results.append(result)
        sheets.append(sheet)
        progress.update()
  return results, sheets[:_SHEETS]


def _report(
  metric: str, results: Sequence[SceneResult], args: argparse.Namespace
) -> dict[str, Any]:
  """Distances of all sets, and by how much the samples are nearer."""
  network = _FEATURES[metric]
  parts = {
    r.key: {
      name.split("/")[1]: frechet.statistics(values)
      for name, values in r.features.items()
      if name.split("/")[0] == network
    }
    for r in results
  }
  names = ("sampled", SHUFFLED, BLIND, CEILING)
  # A last batch of one scene has no other scene's cameras.
  whole = {k: p for k, p in parts.items() if {REAL, *names} <= p.keys()}
  left = len(parts) - len(whole)
  if left:
    print(f"{left} scenes lack a set and are left out; change --batch")

  def interval(statistic: Callable[[Any], float]) -> Interval:
    return pooled_interval(
      whole, statistic, resamples=args.resamples, seed=args.seed
    )

  found = {
    name: interval(functools.partial(_distance, name=name)) for name in names
  }
  for name, value in found.items():
    print(
      f"{LABELS[metric]}: {name:<14} {value.value:9.3f}"
      f" (95 %: {value.low:.3f} to {value.high:.3f})"
    )
  findings = []
  for name in (SHUFFLED, BLIND):
    gap = interval(functools.partial(_gap, name=name))
    holds = gap.low > 0
    print(
      f"finding: samples are nearer than {name}:"
      f" {'holds' if holds else 'DOES NOT HOLD'} (by {gap.value:+.3f}, 95 %:"
      f" {gap.low:+.3f} to {gap.high:+.3f} over {gap.scenes} scenes)"
    )
    findings.append(
      {
        "baseline": name,
        "nearer_by": gap.value,
        "interval": [gap.low, gap.high],
        "holds": holds,
      }
    )
  return {
    "label": LABELS[metric],
    "bars": {n: (v.value, v.low, v.high) for n, v in found.items()},
    "findings": findings,
  }


def _gap(parts: Sequence[dict[str, Any]], name: str) -> float:
  """How much farther the set `name` is than the samples."""
  return _distance(parts, name) - _distance(parts, "sampled")


def _distance(parts: Sequence[dict[str, Any]], name: str) -> float:
  real, other = (
    frechet.merge([part[side] for part in parts]) for side in (REAL, name)
  )
  return frechet.distance(real, other)


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a stage-2 run")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=16, help="the first so many scenes")
  add("--batch", type=int, default=4, help="scenes generated together")
  rendering.add_options(add)
  add("--metrics", nargs="*", choices=list(_FEATURES), help="default: fid")
  add("--metric-weights", metavar="DIR", help="of FID's and FVD's networks")
  add("--resamples", type=int, default=50, help="of scenes, for intervals")
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write the result here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
