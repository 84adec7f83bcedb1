"""Renders a scene along a camera path: video, frames, contact sheet."""

import argparse
import time
from typing import Any

import numpy as np

from scenetok_jax import console, flags, outputs
from scenetok_jax.geometry.origins import returned
from scenetok_jax.inference import changes, report, scenes
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.placement import open_model
from scenetok_jax.inference.scene_choice import RenderChoice
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say
from scenetok_jax.sampling import views
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.views import ViewOptions


def main(argv: console.Argv = None) -> None:
  """Writes OUT/video.mp4, frames/, contact_sheet.png and render.json."""
  options = RenderChoice, PathOptions, ViewOptions, SamplingChanges
  parser = console.parser("render", __doc__, *options, json=True)
  add: Any = parser.add_argument
  add(
    "--workdir",
    required=True,
    help="a run, checkpoints/rooms or hf://OWNER/NAME",
  )
  add(
    "--samples",
    type=flags.ranged(Few),
    default=1,
    help="more than 1: variance maps too",
  )
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  choice = flags.take_options(args, RenderChoice)
  with outputs.opened(args.out, report.RENDERED) as out:
    told = _render(args, choice, out)
  say(told)


def _render(
  args: argparse.Namespace, choice: RenderChoice, out: outputs.Output
) -> str:
  """Writes OUT; returns what was done."""
  start, model = time.monotonic(), open_model(args.workdir, args.out)
  sampling = flags.take_options(args, SamplingChanges)
  rendering = changes.render_options(model, sampling)
  scene, opened = scenes.scene_of(model, choice)
  along = flags.take_options(args, PathOptions)
  view = flags.take_options(args, ViewOptions)
  path = scenes.path_through(
    scene, opened, choice.trajectory, along, view, model.model.image_size
  )
  state = out.state(report.STATE_FILE)
  with console.follow("frames") as progress:
    videos = model.render_batch(
      [scene],
      returned(path.cameras, np.array(scene.origin)),
      samples=args.samples,
      sampling=sampling,
      seed=choice.seed,
      progress=progress,
      state=state,
    )[0]
  result = {
    "scene": scene.key,
    "source": opened.source if opened else choice.tokens,
    "scale": scene.scale,
    **report.write_rendering(out, opened, path, views.cut(videos, view)),
  }
  result = report.write_result(
    out.file("render.json"), args.json, result, model, choice.seed, start,
    options=rendering,
  )  # fmt: skip
  out.clear(report.STATE_FILE)
  return report.rendering_summary(args.out, result)


if __name__ == "__main__":
  console.script(main)
