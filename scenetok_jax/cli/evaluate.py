"""Scores a trained model on frames that it was not given."""

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenetok_jax.cli import assemble, common
from scenetok_jax.evaluation.evaluator import average, predict, score
from scenetok_jax.evaluation.report import prediction_sheet
from scenetok_jax.media import write_png
from scenetok_jax.types import InputError

COLUMNS = (
  "psnr",
  "one_step_psnr",
  "ssim",
  "nearest_view_psnr",
  "mean_view_psnr",
  "codec_ceiling_psnr",
)


def main(argv: Sequence[str] | None = None) -> int:
  """Prints a table of scores; writes --json and a contact sheet."""
  parser = common.parser(
    "evaluate",
    (__doc__ or "")
    + " Protocol heldout: frames held out when preparing, or else all frames"
    " but context views at least 30 degrees of heading apart.",
  )
  add = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--protocol", default="heldout", choices=["heldout"])
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train with held-out frames")
  add("--scenes", type=int, help="only the first so many scenes")
  add("--batch", type=int, default=4, help="scenes rendered together, >= 2")
  add("--steps", type=int, help="denoising steps (default: the run's)")
  add("--seed", type=int, default=0)
  add("--json", metavar="FILE", help="write the scores here")
  add("--out", metavar="DIR", help="write contact_sheet.png here")
  args = parser.parse_args(argv)
  if args.batch < 2:
    raise InputError(
      f"--batch: {args.batch} leaves no other scene whose tokens could be"
      " tried; use 2 or more"
    )
  start = time.monotonic()
  run = assemble.load_run(args.workdir)
  path = args.data or run.config.data.path
  split = args.split or assemble.evaluation_split(path)
  scenes = assemble.evaluation_scenes(
    path, split, run.config.data.num_context, args.scenes
  )
  if not scenes:
    raise InputError(f"{path}: split {split} has no scenes; prepare some")
  options = assemble.evaluation_options(run.config, args.seed)
  render = options.render
  if args.steps:
    render = dataclasses.replace(render, steps=args.steps)
  options = dataclasses.replace(options, render=render, batch=args.batch)
  with common.Progress("scenes", len(scenes), "scene") as progress:
    predictions = list(
      predict(run.system, run.params, scenes, options, progress.update)
    )
  scores = [score(prediction) for prediction in predictions]
  means = average(scores)
  print(table([p.scene.key for p in predictions], scores, means))
  choice = json.dumps(
    [
      [s.key, s.target.cameras.extrinsics.tolist()]
      for s in sorted(scenes, key=lambda s: s.key)
    ]
  )
  result = {
    **means,
    "frames": sum(len(p.sampled) for p in predictions),
    "seconds": time.monotonic() - start,
    "protocol": args.protocol,
    "index_file": None,
    "index_sha256": hashlib.sha256(choice.encode()).hexdigest(),
    "checkpoint_step": run.step,
    "per_scene": {
      p.scene.key: s for p, s in zip(predictions, scores, strict=True)
    },
  }
  if args.json:
    common.write_json(args.json, result)
  if args.out:
    sheet = prediction_sheet(predictions)
    write_png(Path(args.out) / "contact_sheet.png", sheet)
  return 0


def table(
  keys: Sequence[str],
  scores: Sequence[dict[str, float]],
  means: dict[str, Any],
) -> str:
  """Scores per scene and their means, as text."""
  short = [name.removesuffix("_psnr") for name in COLUMNS]
  lines = [f"{'scene':<24}" + "".join(f"{name:>14}" for name in short)]
  for key, row in [*zip(keys, scores, strict=True), ("mean", means)]:
    lines.append(
      f"{key[:23]:<24}" + "".join(f"{row[name]:>14.3f}" for name in COLUMNS)
    )
  gap = means["conditioning_gap_db"]
  if gap is not None:
    lines.append(f"the right scene's tokens beat another's by {gap:+.2f} dB")
  return "\n".join(lines)


if __name__ == "__main__":
  sys.exit(common.run(main))
