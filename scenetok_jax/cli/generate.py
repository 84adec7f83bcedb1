"""Generates new scenes from one to three posed images, and renders them."""

import argparse
import dataclasses
import time
from typing import Any

import jax

from scenetok_jax import console, flags, outputs
from scenetok_jax.inference import changes, conditions, report
from scenetok_jax.inference.changes import GenerationChanges, SamplingChanges
from scenetok_jax.inference.conditions import ConditionChoice
from scenetok_jax.inference.placement import open_model
from scenetok_jax.reading.schema import Few, Seed
from scenetok_jax.reading.shown import say
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.video import video_plan


def main(argv: console.Argv = None) -> None:
  """Writes a video and frames per seed, contact_sheet.png, generate.json."""
  options = ConditionChoice, PathOptions, GenerationChanges
  parser = console.parser("generate", __doc__, *options, json=True)
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a stage-2 run")
  add("--seeds", type=flags.ranged(Few), default=1, help="new scenes to draw")
  add("--seed", type=flags.ranged(Seed), default=0, help="of all draws")
  flags.add_options(parser, SamplingChanges, "render-")
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  with outputs.opened(args.out, report.GENERATED) as out:
    told = _generate(args, out)
  say(told)


def _generate(args: argparse.Namespace, out: outputs.Output) -> str:
  """Writes OUT; returns what was done."""
  start, model = time.monotonic(), open_model(args.workdir, args.out)
  sampling = flags.take_options(args, GenerationChanges)
  changed = flags.take_options(args, SamplingChanges, "render-")
  generation = changes.generate_options(model, sampling)
  rendering = changes.render_options(model, changed, "render-")
  choice = flags.take_options(args, ConditionChoice)
  given = conditions.open_conditions(model, choice)
  along = flags.take_options(args, PathOptions)
  path = conditions.camera_path(given, choice.anchors, along)
  frames = len(path.cameras.extrinsics)
  video_plan(model.model, rendering, frames)  # or too short
  token_key, video_key = jax.random.split(jax.random.key(args.seed))
  with console.follow("tokens") as progress:
    scenes = model.generate_batch(
      given.views.images,
      given.views.cameras,
      path.cameras,
      args.seeds,
      sampling=sampling,
      rescale=conditions.rescale_of(choice, path),
      seed=token_key,
      progress=progress,
    )
  kept = [dataclasses.replace(s, origin=given.origin) for s in scenes]
  report.save_scenes(out, kept)
  state = out.state(report.STATE_FILE)
  with console.follow("frames") as progress:
    videos = model.render_batch(
      scenes,
      path.cameras,
      sampling=changed,
      seed=video_key,
      progress=progress,
      state=state,
    )[:, 0]
  result = report.write_generation(out, given, path, scenes, videos)
  result = report.write_result(
    out.file("generate.json"), args.json, result, model, args.seed, start,
    generation=generation, rendering=rendering,
  )  # fmt: skip
  out.clear(report.STATE_FILE)
  return report.generation_summary(args.out, result)


if __name__ == "__main__":
  console.script(main)
