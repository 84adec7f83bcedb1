"""Generates new scenes from one to three posed images, and renders them."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from scenetok_jax import console
from scenetok_jax.inference import changes, conditions, placement, report
from scenetok_jax.inference.changes import GenerationChanges, SamplingChanges
from scenetok_jax.inference.conditions import ConditionChoice
from scenetok_jax.io import check_writable
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.video import video_plan
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes a video and frames per seed, contact_sheet.png, generate.json."""
  parser = console.parser(
    "generate", __doc__, json="write generate.json here too"
  )
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a stage-2 run")
  console.add_options(parser, ConditionChoice)
  console.add_options(parser, PathOptions)
  add("--seeds", type=int, default=1, help="new scenes to draw")
  add("--seed", type=int, default=0, help="of all draws")
  console.add_options(parser, GenerationChanges)
  console.add_options(parser, SamplingChanges, "render-")
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  start, out = time.monotonic(), Path(args.out)
  if args.seeds < 1:
    raise InputError(f"--seeds: {args.seeds} must be at least 1")
  check_writable(out)
  model = placement.open_model(args.workdir)
  sampling = console.take_options(args, GenerationChanges)
  rendering = console.take_options(args, SamplingChanges, "render-")
  generation = changes.generate_options(model, sampling)
  options = changes.render_options(model, rendering, "render-")
  choice = console.take_options(args, ConditionChoice)
  given = conditions.open_conditions(model, choice)
  along = console.take_options(args, PathOptions)
  path = conditions.camera_path(given, choice.anchors, along)
  frames = len(path.cameras.extrinsics)
  video_plan(model.model, options, frames)  # or too short
  token_key, video_key = jax.random.split(jax.random.key(args.seed))
  with console.follow("tokens") as progress:
    scenes = model.generate_batch(
      given.views.images,
      given.views.cameras,
      path.cameras,
      args.seeds,
      sampling=sampling,
      seed=token_key,
      progress=progress,
    )
  report.save_scenes(out, scenes)
  state = out / report.STATE_FILE
  with console.follow("frames") as progress:
    videos = model.render_batch(
      scenes,
      path.cameras,
      sampling=rendering,
      seed=video_key,
      progress=progress,
      state=state,
    )[:, 0]
  result = report.write_generation(out, given, path, scenes, videos)
  result = report.write_result(
    out / "generate.json", args.json, result, model, args.seed, start,
    generation=generation, rendering=options,
  )  # fmt: skip
  state.unlink(missing_ok=True)
  print(report.generation_summary(out, result))
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
