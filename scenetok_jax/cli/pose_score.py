"""True pose similarity: are frames seen from the poses that were asked for?

Poses of frames are estimated by an oracle, pycolmap or any other whose poses
are given as files, and compared over all frame pairs with the true ones.
What is judged: the data's own frames (a check of the oracle), frames in a
folder, or renderings by --workdir: along each scene's own path, or with
--transfer along the path of the next scene (paper: TPS).
"""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation import store, summary
from scenetok_jax.evaluation.bootstrap import pooled_interval
from scenetok_jax.evaluation.pose import runner, structure
from scenetok_jax.evaluation.pose.clips import Job, given, rendered
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_file, check_writable, write_json
from scenetok_jax.metrics import pose
from scenetok_jax.metrics.loading import LoadedMetrics, load_metrics
from scenetok_jax.metrics.registry import METRICS
from scenetok_jax.types import InputError

_DISTANCES = ("fid", "fd_vgg")


def main(argv: Sequence[str] | None = None) -> int:
  """Prints R.Acc, T.Acc and AUC per scene and pooled; writes --json."""
  args = _parser().parse_args(argv)
  _check(args)
  scenetok = SceneTok.from_pretrained(args.workdir) if args.workdir else None
  made_by = runner.checkpoint(scenetok)
  with contextlib.ExitStack() as stack:
    if scenetok is None:
      jobs = given(args)
    else:
      scenetok = stack.enter_context(placement.on_devices(scenetok, 1))
      jobs = rendered(scenetok, args)
    if args.render_only:
      return _render(jobs, args)
    poses = None
    if args.poses:
      poses = runner.given_poses(args.poses, [job.key for job in jobs])
    nets = None
    if args.workdir or args.images:  # elsewhere frames are the truth itself
      nets = load_metrics(
        [args.distance], args.metric_weights, allow_missing=True
      )
    known = runner.identity(scenetok, made_by, jobs, poses, nets, args)
    kept = store.open_store(args.out, known) if args.out else None
    compute = runner.scorer(args, poses, nets)
    results = runner.all_results(jobs, compute, kept)
  result = {
    "arguments": vars(args),
    "oracle": args.poses or structure.ORACLE,
    "judged": _judged(args),
    **made_by,
    **_report(jobs, results, nets),
  }
  if args.out:
    write_json(Path(args.out) / "pose_score.json", result)
  if args.json:
    write_json(args.json, result)
  return 0


def _render(jobs: Sequence[Job], args: argparse.Namespace) -> int:
  """OUT/KEY/*.png of every scene, for another estimator."""
  for job in jobs:
    job.load()
  print(f"{args.out}: frames of {len(jobs)} scenes, in a folder each")
  return 0


def _judged(args: argparse.Namespace) -> str:
  if args.images:
    return f"frames of {args.images}"
  if not args.workdir:
    return "the data's own frames"
  return "another scene along this path" if args.transfer else "renderings"


def _check(args: argparse.Namespace) -> None:
  if args.every < 1 or args.scenes < 1:
    raise InputError(
      f"--every {args.every}, --scenes {args.scenes}: must be at least 1"
    )
  if args.transfer and args.scene is not None:
    raise InputError(
      "--transfer, --scene: one scene has no next one whose tokens could take"
      " its path; say with --scenes how many to pair"
    )
  if args.transfer and (not args.workdir or args.scenes < 2):
    raise InputError("--transfer: needs --workdir and at least 2 --scenes")
  if args.images and args.workdir:
    raise InputError("--images, --workdir: give one of the two")
  if args.images and args.scene is None:
    raise InputError("--images: say of which scene with --scene")
  if args.poses and args.scene is None and not Path(args.poses).is_dir():
    raise InputError(
      f"--poses: {args.poses}: one file is of one scene; name it with --scene,"
      " or give a folder with KEY.json of every scene"
    )
  if args.render_only and (not args.workdir or args.poses):
    raise InputError("--render-only: needs --workdir, and takes no --poses")
  if args.workdir and not args.out:
    raise InputError("--workdir: renderings need a folder; give --out")
  if not args.poses and not args.render_only:
    structure.check_available()
  if args.out:
    check_writable(Path(args.out))
  if args.json:
    check_file(Path(args.json), "--json")


def _report(
  jobs: Sequence[Job],
  results: Sequence[SceneResult],
  nets: LoadedMetrics | None,
) -> dict[str, Any]:
  """Scores of all pairs together, of each scene, and the sets' distance."""
  rows = {
    job.key: runner.row(job, result)
    for job, result in zip(jobs, results, strict=True)
  }
  errors = {r.key: runner.pair_errors(r) for r in results}
  chance = np.mean([row["shuffled_auc@30"] for row in rows.values()])
  pooled = {
    **pose.summary(pose.pool(errors.values())),
    "shuffled_auc@30": float(chance),
  }
  totals = {
    name: sum(row[name] for row in rows.values())
    for name in ("frames", "placed")
  }
  print(runner.line("all pairs", {**pooled, **totals}))
  interval = pooled_interval(
    errors, lambda parts: pose.auc(pose.pool(parts)), resamples=200
  )
  intervals = {"auc@30": [interval.low, interval.high]}
  found = {} if nets is None else _distance(results, nets)
  return {
    **pooled,
    **found,
    "confidence_intervals": {
      **intervals,
      **found.get("confidence_intervals", {}),
    },
    "per_scene": rows,
  }


def _distance(
  results: Sequence[SceneResult], nets: LoadedMetrics
) -> dict[str, Any]:
  """The distance between sets that belongs beside a pose score."""
  own = [
    dataclasses.replace(result, features=runner.image_features(result))
    for result in results
  ]
  found, impossible = summary.distances(own, summary.Resampling(), "")
  for name, value in found.items():
    note = METRICS[name].note
    label = f" ({METRICS[name].title}, {note})" if note else ""
    print(
      f"{name} to the scenes' true frames: {value.value:.3f}{label}"
      f" (95 %: {value.low:.3f} to {value.high:.3f})"
    )
  for reason in (*nets.missing.values(), *impossible.values()):
    print(f"not computed: {reason}")
  return {
    **{name: value.value for name, value in found.items()},
    "confidence_intervals": {n: [v.low, v.high] for n, v in found.items()},
    "distance_weights": nets.weights,
    "missing_metrics": nets.missing,
    "impossible_metrics": impossible,
  }


def _parser() -> console.Parser:
  parser = console.parser("pose-score", __doc__ or "")
  add: Any = parser.add_argument
  add("--data", required=True, help="prepared data, of any image size")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=1, help="the first so many scenes")
  add("--scene", metavar="KEY", help="one scene instead, by key or number")
  add("--every", type=int, default=4, help="only every so many frames")
  add("--images", metavar="DIR", help="judge these, one per frame of --scene")
  add(
    "--poses",
    metavar="PATH",
    help="by another estimator: a file, or a folder with KEY.json per scene",
  )
  add("--workdir", help="judge renderings of this run")
  add("--transfer", action="store_true", help="of the next scene's tokens")
  add(
    "--render-only",
    action="store_true",
    help="leave the frames in OUT/KEY for another estimator, and stop",
  )
  console.add_options(parser, rendering.SamplingChanges)
  add("--distance", choices=_DISTANCES, default="fid", help="beside the score")
  add("--metric-weights", metavar="DIR", help="of the distance's network")
  add("--threads", type=int, default=1, help="of pycolmap; -1: all cores")
  add("--seed", type=int, default=0)
  add(
    "--out",
    metavar="DIR",
    help="write pose_score.json, renderings and each scene's result here; an"
    " interrupted run continues from them",
  )
  add("--json", metavar="FILE", help="write the result here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
