"""Makes an evaluation index of prepared data, in the authors' format."""

import dataclasses
from pathlib import Path

from data_pipelines.views.index_making import IndexOptions
from scenetok_jax import console, flags
from scenetok_jax.disk import check_file
from scenetok_jax.evaluation.index_file import make_index
from scenetok_jax.io import write_text
from scenetok_jax.reading.schema import Few, Many
from scenetok_jax.reading.shown import inline, say
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Writes the index; prints its hash and the scenes left out."""
  parser = console.parser("make-index", __doc__, IndexOptions, json=True)
  add = parser.add_argument
  add("--data", required=True, help="prepared data")
  add("--split", default="test")
  add("--out", required=True, metavar="FILE", help="index file to write")
  add("--context", type=flags.ranged(Few), required=True, help="context views")
  add(
    "--scenes",
    type=flags.ranged(Many),
    help="only the first so many that serve",
  )
  add("--allow-short", action="store_true", help="leave scenes out")
  args = parser.parse_args(argv)
  check_file(Path(args.out), "--out")
  options = flags.take_options(args, IndexOptions, context=args.context)
  text, found = make_index(
    args.data, options, split=args.split, scenes=args.scenes
  )
  left_out, scenes = found["left_out"], found["scenes"]
  for key, reason in left_out.items():
    say(f"left out: {inline(key)}: {inline(reason, 1000)}")
  if left_out and not args.allow_short:
    raise InputError(
      f"{args.data}: {len(left_out)} of {scenes + len(left_out)} scenes do not"
      f" serve: {', '.join(list(left_out)[:8])}; leave them out with"
      " --allow-short"
    )
  write_text(args.out, text)
  say(f"{args.out}: {scenes} scenes, sha256 {found['index_sha256']}")
  report = {
    "index_file": Path(args.out).name,
    **found,
    "options": dataclasses.asdict(options),
    "data": args.data,
    "split": args.split,
  }
  console.write_json(args, report)


if __name__ == "__main__":
  console.script(main)
