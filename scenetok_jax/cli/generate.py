"""Generates new scenes from one to three posed images, and renders them."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from scenetok_jax import console
from scenetok_jax.inference import (
  conditions,
  generating,
  placement,
  rendering,
  report,
)
from scenetok_jax.io import check_writable
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes a video and frames per seed, contact_sheet.png, generate.json."""
  args = _parser().parse_args(argv)
  start = time.monotonic()
  if args.seeds < 1:
    raise InputError(f"--seeds: {args.seeds} must be at least 1")
  out = Path(args.out)
  check_writable(out)
  state = out / rendering.STATE_FILE
  model = placement.open_model(args.workdir)
  sampling = console.take_options(args, generating.GenerationChanges)
  options = generating.generate_options(model, sampling)
  choice = console.take_options(args, conditions.ConditionChoice)
  given = conditions.open_conditions(model, choice)
  along = console.take_options(args, PathOptions)
  path = conditions.camera_path(given, choice.anchors, along)
  changes = console.take_options(args, rendering.SamplingChanges, "render-")
  render_options = rendering.render_options(model, changes, "render-")
  rendering.steps_of(model, path.cameras, render_options)
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
  with console.follow("frames") as progress:
    videos = model.render_batch(
      scenes,
      path.cameras,
      sampling=changes,
      seed=video_key,
      progress=progress,
      state=state,
    )[:, 0]
  how = {"generation": options, "rendering": render_options}
  told = report.told(model, args.seed, how)
  result = report.write_generation(
    out, given, path, scenes, videos, told, start, args.json
  )
  state.unlink(missing_ok=True)
  print(report.generation_summary(out, result))
  return 0


def _parser() -> console.Parser:
  parser = console.parser("generate", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a stage-2 run")
  console.add_options(parser, conditions.ConditionChoice)
  console.add_options(parser, PathOptions)
  add("--seeds", type=int, default=1, help="new scenes to draw")
  add("--seed", type=int, default=0, help="of all draws")
  console.add_options(parser, generating.GenerationChanges)
  console.add_options(parser, rendering.SamplingChanges, "render-")
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write generate.json here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
