"""`scenetok prepare`: raw posed video -> prepared records."""

import argparse
import os
import sys
from collections.abc import Sequence

from data_pipelines.furnished import assets
from data_pipelines.furnished import jobs as furnished_jobs
from data_pipelines.rooms import jobs as rooms_jobs
from data_pipelines.sources import video_jobs
from data_pipelines.storage import builders, images, recipes
from scenetok_jax import console
from scenetok_jax.io import write_json
from scenetok_jax.types import InputError

_VIDEO = ("re10k", "acid", "dl3dv")
_SIZES = {"rooms": "64", "capture": "64", "furnished": "128"}
_VIDEO_SIZE = "256"
_FRAMES = {"rooms": 48, "furnished": 64}


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/<split> and OUT/report.json; returns 0 or raises InputError."""
  args = _parser().parse_args(argv)
  _check(args)
  plan = _PLANS[args.dataset](args)
  if args.beam:
    from data_pipelines.storage import builders_beam  # needs the extra [beam]

    report = builders_beam.build(args.out, plan, args.beam.split())
  else:
    report = builders.build(args.out, plan, args.workers)
  print(builders.summary(args.out, args.split, report))
  if args.json:
    write_json(args.json, report)
  return 0


def _check(args: argparse.Namespace) -> None:
  if not args.split.isidentifier():
    raise InputError(
      f"--split={args.split}: must be a plain word such as train or test"
    )
  if args.workers < 0 or args.min_frames < 2:
    raise InputError(
      f"--workers={args.workers} --min-frames={args.min_frames}: workers start"
      " at 0, frames at 2"
    )
  if args.beam and args.dataset == "furnished":
    raise InputError("--beam: furnished rooms are made by --workers only")
  if args.images and args.dataset != "dl3dv":
    raise InputError("--images: only dl3dv has several image folders")


def _rooms(args: argparse.Namespace) -> recipes.Plan:
  if args.source:
    raise InputError("--source: rooms are generated; leave --source out")
  side = _side(args)
  if args.depth and args.image_format != "png":
    raise InputError(
      f"--depth: --image-format={args.image_format} would change depths; add"
      " --image-format=png"
    )
  options = rooms_jobs.Options(
    args.scenes,
    args.frames or _FRAMES["rooms"],
    side,
    args.seed,
    _first_scene(args),
    _aside(args),
    args.depth,
  )
  return rooms_jobs.plan(args.split, options, _holdout(args), args.image_format)


def _furnished(args: argparse.Namespace) -> recipes.Plan:
  if args.depth:
    raise InputError("--depth: only for rooms; furnished ones have it beside")
  options = furnished_jobs.Options(
    args.scenes,
    args.frames or _FRAMES["furnished"],
    _side(args),
    args.seed,
    _first_scene(args),
    _aside(args),
  )
  return furnished_jobs.plan(
    args.split, args.source, options, _holdout(args), args.image_format
  )


def _side(args: argparse.Namespace) -> int:
  shape = _shape(args)
  if shape is None or shape[0] != shape[1]:
    raise InputError(f"--size={args.size}: rooms are square; give one number")
  return shape[0]


def _aside(args: argparse.Namespace) -> float:
  if not 0 <= args.aside <= 5:
    raise InputError(f"--aside={args.aside:g}: must be 0 to 5 metres")
  return args.aside


def _first_scene(args: argparse.Namespace) -> int:
  if args.first_scene is not None:
    return args.first_scene
  return rooms_jobs.FIRST_SCENE.get(args.split, 3_000_000)


def _capture(args: argparse.Namespace) -> recipes.Plan:
  from data_pipelines.sources import capture

  if not args.source:
    raise InputError("--source: missing; give a capture or a folder of them")
  return capture.plan(
    args.split, args.source, _shape(args), _holdout(args), args.image_format
  )


def _video(args: argparse.Namespace) -> recipes.Plan:
  if not args.source:
    raise InputError(
      f"--source: missing; give the folder of {args.dataset}, with"
      f" {args.split}/ in it"
    )
  jump = video_jobs.MAX_JUMP if args.max_jump is None else args.max_jump
  recipe = recipes.Recipe(
    args.dataset,
    args.split,
    {},
    _holdout(args),
    args.image_format,
    min_frames=args.min_frames,
    max_jump=jump,
  )
  options = video_jobs.Options(_shape(args), args.images, args.image_format)
  return video_jobs.plan(args.source, recipe, options)


_PLANS = {
  "rooms": _rooms,
  "furnished": _furnished,
  "capture": _capture,
  **dict.fromkeys(_VIDEO, _video),
}


def _shape(args: argparse.Namespace) -> recipes.Shape:
  default = _SIZES.get(args.dataset, _VIDEO_SIZE)
  return recipes.parse_shape(args.size or default)


def _sizes() -> str:
  return ", ".join(f"{size} for {name}" for name, size in _SIZES.items())


def _holdout(args: argparse.Namespace) -> recipes.Holdout:
  return recipes.Holdout(args.holdout_every, tuple(args.frames_left_out))


def _parser() -> console.Parser:
  parser = console.parser("prepare", __doc__.split(":", 1)[1].strip())
  add = parser.add_argument
  add("--dataset", required=True, choices=sorted(_PLANS))
  add(
    "--source",
    help="folder of the raw data; not for rooms. furnished: of Debian's"
    f" packages, as .deb files or unpacked ({assets.INSTALLED})",
  )
  add("--split", default="train", help="name of the part to write")
  add("--out", required=True, help="folder of the prepared data")
  add(
    "--size",
    help="side of the frames in pixels, or HEIGHTxWIDTH, or native: as they"
    f" are (default {_sizes()}, else {_VIDEO_SIZE})",
  )
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
  video = parser.add_argument_group(", ".join(_VIDEO))
  video.add_argument(
    "--min-frames", type=int, default=2, help="drop scenes with fewer frames"
  )
  video.add_argument(
    "--max-jump",
    type=float,
    help="drop scenes with a camera step of more than this many usual ones"
    f" (default {video_jobs.MAX_JUMP:g}; 0 keeps all)",
  )
  video.add_argument(
    "--images", help="dl3dv: image folder (default: the smallest that will do)"
  )
  rooms = parser.add_argument_group("rooms, furnished")
  rooms.add_argument("--scenes", type=int, default=100, help="clips to make")
  rooms.add_argument(
    "--first-scene",
    type=int,
    default=None,
    help="number of the first one (default: apart for each split)",
  )
  frames = ", ".join(f"{v} for {k}" for k, v in _FRAMES.items())
  rooms.add_argument(
    "--frames", type=int, help=f"frames a clip (default {frames})"
  )
  rooms.add_argument("--seed", type=int, default=0)
  rooms.add_argument(
    "--aside",
    type=float,
    default=0.0,
    metavar="METRES",
    help="the same rooms along the same paths, moved sideways as far as there"
    " is room",
  )
  rooms.add_argument(
    "--depth",
    action="store_true",
    help="the same rooms with the true depth in place of colours (log metres"
    " as grey levels; needs --image-format=png)",
  )
  add(
    "--workers",
    type=int,
    default=os.cpu_count() or 1,
    help="processes; 0 works in this one",
  )
  add(
    "--beam",
    metavar="OPTIONS",
    help="run on Apache Beam (extra [beam]) with these pipeline options, such"
    " as '--runner=DirectRunner'; for data too large for one machine",
  )
  add("--json", metavar="FILE", help="also write the report here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
