"""True pose similarity: are frames seen from the poses that were asked for?

Poses of frames are estimated by an oracle, pycolmap or any other whose poses
are given as a file, and compared over all frame pairs with the true ones.
What is judged: the data's own frames (a check of the oracle), frames in a
folder, or renderings by --workdir: along each scene's own path, or with
--transfer along the path of the next scene (paper: TPS).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.cli import common, pictures, rendering
from scenetok_jax.cli.pose_clips import Clip, given, rendered
from scenetok_jax.evaluation import structure, true_pose
from scenetok_jax.evaluation.bootstrap import pooled_interval
from scenetok_jax.evaluation.networks import Networks, load_networks
from scenetok_jax.geometry.camera_files import from_json
from scenetok_jax.metrics import frechet, pose
from scenetok_jax.metrics.pose import PairErrors
from scenetok_jax.types import InputError

_DISTANCES = ("fid", "fd_vgg")


def main(argv: Sequence[str] | None = None) -> int:
  """Prints R.Acc, T.Acc and AUC per scene and pooled; writes --json."""
  args = _parser().parse_args(argv)
  _check(args)
  nets = None
  if args.workdir:
    nets = load_networks(
      [args.distance], args.metric_weights, allow_missing=True
    )
  clips = rendered(args) if args.workdir else given(args)
  rows: dict[str, dict[str, Any]] = {}
  errors: dict[str, PairErrors] = {}
  with common.Progress("poses", len(clips), "scene") as progress:
    for clip in clips:
      predicted = _oracle(clip, args)
      found = true_pose.path_errors(
        predicted, np.asarray(clip.cameras.extrinsics)
      )
      errors[clip.key] = found
      placed = int(np.isfinite(predicted).all(axis=(1, 2)).sum())
      chance = true_pose.shuffled_auc(
        predicted, np.asarray(clip.cameras.extrinsics), args.seed
      )
      rows[clip.key] = {
        "frames": len(clip.images),
        "placed": placed,
        **pose.summary(found),
        "shuffled_auc@30": chance,
      }
      print(_line(clip.key, rows[clip.key]), flush=True)
      progress.update()
  pooled = pose.summary(pose.pool(errors.values()))
  interval = pooled_interval(
    errors, lambda parts: pose.auc(pose.pool(parts)), resamples=200
  )
  result = {
    "arguments": vars(args),
    "oracle": args.poses or "pycolmap",
    "judged": _judged(args),
    **pooled,
    "auc@30_interval": [interval.low, interval.high],
    "shuffled_auc@30": np.mean([r["shuffled_auc@30"] for r in rows.values()]),
    "per_scene": rows,
  }
  print(_line("all pairs", {**pooled, **_totals(rows, result)}))
  if nets is not None:
    result |= _distance(clips, nets)
  if args.out:
    common.write_json(Path(args.out) / "pose_score.json", result)
  if args.json:
    common.write_json(args.json, result)
  return 0


def _judged(args: argparse.Namespace) -> str:
  if args.images:
    return f"frames of {args.images}"
  if not args.workdir:
    return "the data's own frames"
  return "another scene along this path" if args.transfer else "renderings"


def _totals(
  rows: dict[str, dict[str, Any]], result: dict[str, Any]
) -> dict[str, Any]:
  return {
    "frames": sum(row["frames"] for row in rows.values()),
    "placed": sum(row["placed"] for row in rows.values()),
    "shuffled_auc@30": result["shuffled_auc@30"],
  }


def _line(name: str, row: dict[str, Any]) -> str:
  return (
    f"{name[:24]:<24} {row['placed']:>4} of {row['frames']} frames placed"
    f"   R.Acc@10 {row['racc@10']:.3f}   T.Acc@10 {row['tacc@10']:.3f}"
    f"   AUC@30 {row['auc@30']:.3f} (shuffled {row['shuffled_auc@30']:.3f})"
  )


def _check(args: argparse.Namespace) -> None:
  if args.every < 1 or args.scenes < 1:
    raise InputError(
      f"--every {args.every}, --scenes {args.scenes}: must be at least 1"
    )
  if args.transfer and (not args.workdir or args.scenes < 2):
    raise InputError("--transfer: needs --workdir and at least 2 --scenes")
  if args.images and args.workdir:
    raise InputError("--images, --workdir: give one of the two")
  if (args.poses or args.images) and args.scene is None:
    raise InputError("--poses, --images: say of which scene with --scene")
  if args.workdir and not args.out:
    raise InputError("--workdir: renderings need a folder; give --out")
  if args.out:
    pictures.check_writable(Path(args.out))


def _oracle(clip: Clip, args: argparse.Namespace) -> np.ndarray:
  """Estimated poses [T 4 4]; NaN where the oracle gave none."""
  if not args.poses:
    return structure.estimate_poses(
      clip.images,
      np.asarray(clip.cameras.intrinsics),
      seed=args.seed,
      threads=args.threads,
    )
  poses = np.asarray(from_json(args.poses).extrinsics, np.float64)
  if len(poses) != len(clip.images):
    raise InputError(
      f"{args.poses}: {len(poses)} poses for {len(clip.images)} frames"
      f" (every {args.every}); give one of each"
    )
  return poses


def _distance(clips: Sequence[Clip], nets: Networks) -> dict[str, Any]:
  """The distance between sets that belongs beside a pose score."""
  for reason in nets.missing.values():
    print(f"not computed: {reason}")
  for name, key in (("fid_inception", "fid"), ("vgg", "fd_vgg")):
    if name not in nets.functions:
      continue
    sides = [
      frechet.merge(
        [frechet.statistics(nets.functions[name](x)) for x in images]
      )
      for images in (
        [clip.real for clip in clips if clip.real is not None],
        [clip.images for clip in clips],
      )
    ]
    value = frechet.distance(*sides)
    label = "" if key == "fid" else " (VGG Frechet distance, not FID)"
    print(f"{key} to the scenes' true frames: {value:.3f}{label}")
    return {key: value, "distance_weights": nets.weights}
  return {"missing_metrics": nets.missing}


def _parser() -> common.Parser:
  parser = common.parser("pose-score", __doc__ or "")
  add: Any = parser.add_argument
  add("--data", required=True, help="prepared data, of any image size")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=1, help="the first so many scenes")
  add("--scene", metavar="KEY", help="one scene instead, by key or number")
  add("--every", type=int, default=4, help="only every so many frames")
  add("--images", metavar="DIR", help="judge these, one per frame of --scene")
  add("--poses", metavar="FILE.json", help="poses by another estimator")
  add("--workdir", help="judge renderings of this run")
  add("--transfer", action="store_true", help="of the next scene's tokens")
  rendering.add_options(add)
  add("--distance", choices=_DISTANCES, default="fid", help="beside the score")
  add("--metric-weights", metavar="DIR", help="of the distance's network")
  add("--threads", type=int, default=1, help="of pycolmap; -1: all cores")
  add("--seed", type=int, default=0)
  add("--out", metavar="DIR", help="write pose_score.json and renderings here")
  add("--json", metavar="FILE", help="write the result here too")
  return parser


if __name__ == "__main__":
  sys.exit(common.run(main))
