"""Makes an evaluation index of prepared data, in the authors' format."""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.views.index_making import CHOICES, IndexOptions, entries
from scenetok_jax import console
from scenetok_jax.evaluation.plan import open_dataset
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the index; prints its hash and the scenes left out."""
  args = _parser().parse_args(argv)
  options = make_options(args)
  dataset = open_dataset(args.data, args.split)
  found, left_out = entries(dataset, options, args.scenes)
  for key, reason in left_out.items():
    print(f"left out: {key}: {reason}")
  if not found:
    key, reason = next(iter(left_out.items()))
    raise InputError(
      f"{dataset.directory}: none of its {len(dataset)} scenes serves ({key}:"
      f" {reason}); ask for fewer frames, a smaller gap or a smaller angle"
    )
  if left_out and not args.allow_short:
    names = ", ".join(list(left_out)[:8])
    raise InputError(
      f"{dataset.directory}: {len(left_out)} of"
      f" {len(found) + len(left_out)} scenes do not serve: {names}; leave"
      " them out with --allow-short"
    )
  text = json.dumps(found)
  with atomic_path(args.out) as temporary:
    temporary.write_text(text)
  digest = hashlib.sha256(text.encode()).hexdigest()
  print(f"{args.out}: {len(found)} scenes, sha256 {digest}")
  if args.json:
    write_json(
      args.json,
      {
        "index_file": Path(args.out).name,
        "index_sha256": digest,
        "scenes": len(found),
        "left_out": left_out,
        "options": dataclasses.asdict(options),
        "context_gaps": _gaps([e["context"] for e in found.values()]),
        "data": args.data,
        "split": args.split,
      },
    )
  return 0


def make_options(args: argparse.Namespace) -> IndexOptions:
  """The options of a command line; --gap keeps the ends of its window."""
  choose = args.choose or ("ends" if args.gap else "farthest")
  return IndexOptions(
    context=args.context,
    targets=args.targets,
    choose=choose,
    span=args.span,
    gap=tuple(args.gap) if args.gap else None,
    start=args.start,
    min_heading=args.min_heading,
    seed=args.seed,
  )


def _gaps(contexts: Sequence[Sequence[int]]) -> list[int]:
  """Least and most frames from a first to a last context view."""
  gaps = [int(np.ptp(context)) for context in contexts]
  return [min(gaps), max(gaps)]


def _parser() -> console.Parser:
  parser = console.parser("make-index", __doc__ or "")
  add: Any = parser.add_argument
  add("--data", required=True, help="prepared data")
  add("--split", default="test")
  add("--out", required=True, metavar="FILE", help="index file to write")
  add("--context", type=int, required=True, help="context views")
  add(
    "--targets",
    type=int,
    help="consecutive frames to predict, from the window's start on (default:"
    " all of it); with --gap, drawn between the context views",
  )
  add(
    "--choose",
    choices=list(CHOICES),
    help="the context (default: farthest; with --gap, ends): farthest points"
    " from the window's first frame, both ends and others at random, evenly,"
    " at random, or spread by heading",
  )
  add(
    "--span",
    type=int,
    help="frames in which the context lies (default: --targets, else all)",
  )
  add(
    "--gap",
    type=int,
    nargs=2,
    metavar=("MIN", "MAX"),
    help="frames from the first to the last context view",
  )
  add(
    "--start",
    default="first",
    choices=["first", "random"],
    help="where in the clip the window is; with --gap always at random",
  )
  add("--min-heading", type=float, default=30.0, help="with --choose=heading")
  add("--scenes", type=int, help="only the first so many that serve")
  add("--seed", type=int, default=0)
  add("--allow-short", action="store_true", help="leave scenes out")
  add("--json", metavar="FILE", help="write what was done here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
