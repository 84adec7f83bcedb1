"""Renders a scene along a camera path: video, frames, contact sheet."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenetok_jax import console
from scenetok_jax.inference import changes, placement, report, scenes
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.scenes import SceneChoice
from scenetok_jax.io import check_writable
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/video.mp4, frames/, contact_sheet.png and render.json."""
  parser = console.parser("render", __doc__, json="write render.json here too")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  console.add_options(parser, SceneChoice)
  add("--tokens", metavar="FILE.tok", help="a scene file by scenetok encode")
  names = f"{'|'.join(paths.SCENE_PATHS)}|FILE.json"
  add("--trajectory", default="context", help=names)
  console.add_options(parser, PathOptions)
  add("--samples", type=int, default=1, help="more than 1: variance maps too")
  console.add_options(parser, SamplingChanges)
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  start, out = time.monotonic(), Path(args.out)
  if sum(x is not None for x in (args.scene, args.capture, args.tokens)) != 1:
    raise InputError("--scene, --capture, --tokens: give one of the three")
  if args.samples < 1:
    raise InputError(f"--samples: {args.samples} must be at least 1")
  check_writable(out)
  model = placement.open_model(args.workdir)
  sampling = console.take_options(args, SamplingChanges)
  options = changes.render_options(model, sampling)
  opened = None
  if args.tokens is not None:
    scene = Scene.load(args.tokens)
  else:
    opened = scenes.open_scene(model, console.take_options(args, SceneChoice))
    scene = opened.encode(model, args.seed)
  path = paths.through_scene(
    args.trajectory,
    opened.clip.cameras if opened else None,
    scene.context,
    console.take_options(args, PathOptions),
  )
  state = out / report.STATE_FILE
  with console.follow("frames") as progress:
    videos = model.render_batch(
      [scene],
      path.cameras,
      samples=args.samples,
      sampling=sampling,
      seed=args.seed,
      progress=progress,
      state=state,
    )[0]
  result = {
    "scene": scene.key,
    "source": opened.source if opened else args.tokens,
    **report.write_rendering(out, opened, path, videos),
  }
  result = report.write_result(
    out / "render.json", args.json, result, model, args.seed, start,
    options=options,
  )  # fmt: skip
  state.unlink(missing_ok=True)
  print(report.rendering_summary(out, result))
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
