"""`scenetok prepare`: raw posed video -> prepared records."""

import argparse
import os
import sys
from collections.abc import Sequence

from data_pipelines import builders, images, rooms_jobs
from scenetok_jax.cli import common
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/<split> and OUT/report.json; returns 0 or raises InputError."""
  args = _parser().parse_args(argv)
  _check(args)
  plan = _PLANS[args.dataset](args)
  report = builders.build(args.out, plan, args.workers)
  print(builders.summary(args.out, args.split, report))
  if args.json:
    common.write_json(args.json, report)
  return 0


def _check(args: argparse.Namespace) -> None:
  if not args.split.isidentifier():
    raise InputError(
      f"--split={args.split}: must be a plain word such as train or test"
    )
  if args.size < 8 or args.workers < 0:
    raise InputError(
      f"--size={args.size} --workers={args.workers}: sizes start at 8, workers"
      " at 0"
    )


def _rooms(args: argparse.Namespace) -> builders.Plan:
  if args.source:
    raise InputError("--source: rooms are generated; leave --source out")
  first = args.first_scene
  if first is None:
    first = rooms_jobs.FIRST_SCENE.get(args.split, 3_000_000)
  options = rooms_jobs.Options(
    args.scenes, args.frames, args.size, args.seed, first
  )
  return rooms_jobs.plan(args.split, options, _holdout(args), args.image_format)


def _capture(args: argparse.Namespace) -> builders.Plan:
  from data_pipelines import capture

  if not args.source:
    raise InputError("--source: missing; give a capture or a folder of them")
  return capture.plan(
    args.split, args.source, args.size, _holdout(args), args.image_format
  )


_PLANS = {"rooms": _rooms, "capture": _capture}


def _holdout(args: argparse.Namespace) -> builders.Holdout:
  return builders.Holdout(args.holdout_every, tuple(args.frames_left_out))


def _parser() -> common.Parser:
  parser = common.parser("prepare", __doc__.split(":", 1)[1].strip())
  add = parser.add_argument
  add("--dataset", required=True, choices=sorted(_PLANS))
  add("--source", help="a capture, or a folder of captures")
  add("--split", default="train", help="name of the part to write")
  add("--out", required=True, help="folder of the prepared data")
  add("--size", type=int, default=64, help="side of the square frames, pixels")
  add("--image-format", default="jpeg", choices=images.FORMATS)
  add(
    "--holdout-every",
    type=int,
    default=0,
    metavar="N",
    help="keep every N-th frame from training, for scoring (0: none)",
  )
  add(
    "--frames-left-out",
    type=int,
    nargs="*",
    default=[],
    metavar="FRAME",
    help="frame numbers to keep from training as well",
  )
  rooms = parser.add_argument_group("rooms")
  rooms.add_argument("--scenes", type=int, default=100, help="rooms to make")
  rooms.add_argument(
    "--first-scene",
    type=int,
    default=None,
    help="number of the first room (default: apart for each split)",
  )
  rooms.add_argument("--frames", type=int, default=48, help="frames a room")
  rooms.add_argument("--seed", type=int, default=0)
  add(
    "--workers",
    type=int,
    default=os.cpu_count() or 1,
    help="processes; 0 works in this one",
  )
  add("--json", metavar="FILE", help="also write the report here")
  return parser


if __name__ == "__main__":
  sys.exit(common.run(main))
