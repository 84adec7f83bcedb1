"""True pose similarity: are frames seen from the poses that were asked for?

Poses of frames are estimated by an oracle, pycolmap or any other whose poses
are given as files, and compared over all frame pairs with the true ones.
What is judged: the data's own frames (a check of the oracle), frames in a
folder, or renderings by --workdir: along each scene's own path, or with
--transfer along the path of the next scene (paper: TPS).
"""

import functools
from pathlib import Path

from scenetok_jax import console, flags, outputs
from scenetok_jax.disk import check_writable
from scenetok_jax.evaluation.pose import score
from scenetok_jax.evaluation.pose.options import PoseScoreOptions
from scenetok_jax.inference.placement import open_model
from scenetok_jax.io import write_json
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Prints R.Acc, T.Acc and AUC per scene and pooled; writes --json."""
  parser = console.parser("pose-score", __doc__, PoseScoreOptions, json=True)
  add = parser.add_argument
  add("--workdir", help="judge renderings of this run")
  add(
    "--render-only",
    action="store_true",
    help="leave the frames in OUT/KEY for another estimator, and stop",
  )
  args = parser.parse_args(argv)
  options = flags.take_options(args, PoseScoreOptions)
  options.check(rendered=bool(args.workdir), estimated=not args.render_only)
  if args.out:
    check_writable(Path(args.out))
  scenetok = open_model(args.workdir, args.out) if args.workdir else None
  if scenetok and args.render_only:
    count = score.render_clips(scenetok, options)
    say(f"{args.out}: frames of {count} scenes, in a folder each")
    return
  tell = functools.partial(say, flush=True)
  found = score.pose_score(options, scenetok, tell)
  found["arguments"] = vars(args)
  if args.out:
    with outputs.opened(args.out) as out:
      write_json(out.file(score.RESULT_FILE), found)
  console.write_json(args, found)


if __name__ == "__main__":
  console.script(main)
