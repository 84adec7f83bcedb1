"""Does the spread of samples fall as context views are added?"""

import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import study, sweep
from scenetok_jax.analyses.sweep import Level
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.types import InputError

KIND = "context-views"


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/context-views.json, .png and sheets of variance maps."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  if min(args.views) < 1:
    raise InputError(f"--views: {min(args.views)} must be at least 1")
  sweep.check_levels("--views", args.views)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = rendering.render_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch * args.samples) as scenetok:
    opened = study.open_scenes(scenetok, args)
    _check_views(opened, args.views)
    # The same frames at every level: those that no level is given.
    largest = [context(scene, max(args.views)) for scene in opened]
    rest = [
      np.setdiff1d(np.arange(len(scene.clip.cameras.extrinsics)), taken)
      for scene, taken in zip(opened, largest, strict=True)
    ]
    chosen = study.make_study(scenetok, opened, args.frames, rest)
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    levels = []
    for count in args.views:
      views = [scene.take(context(scene, count)) for scene in opened]
      tokens, references = study.encode(scenetok, views, token_key)
      levels.append(Level(count, f"{count} views", tokens, references))
    renderer = study.make_renderer(scenetok, options, args, noise_key)
    found = sweep.run_levels(chosen, renderer, levels)
  print(f"trained with {scenetok.config.data.num_context} context views")
  claim = "variance falls as context views are added"
  sweep.report(found, chosen, claim, -1, "context views", KIND, args, out)
  return 0


def context(scene: OpenScene, count: int) -> np.ndarray:
  """Frame numbers of `count` context views, sorted.

  Farthest points from the first frame: more views contain the fewer.
  """
  return farthest_point(np.asarray(scene.clip.cameras.extrinsics), count, 0)


def _check_views(opened: list[OpenScene], views: Sequence[int]) -> None:
  for scene in opened:
    frames = len(scene.clip.cameras.extrinsics)
    if frames <= max(views):
      raise InputError(
        f"--views: {max(views)}: scene {scene.key} has {frames} frames, which"
        " leaves none to render; lower it"
      )


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--views", type=int, nargs="+", default=[2, 6, 12], help="counts")
  add("--sheets", type=int, default=2, help="scenes with a sheet of maps")
  study.add_options(add, samples=4)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
