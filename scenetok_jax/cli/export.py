"""Renders a scene as a capture that gsplat and nerfstudio train on as it is.

Images along a path, their cameras as a COLMAP model and transforms.json, and of
a depth run (configs/scenetok_depth.py) coloured points. All are in the
coordinates of the scene's own cameras.
"""

import argparse
from typing import Any

from scenetok_jax import console, flags, outputs
from scenetok_jax.inference import scenes
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.scene_choice import RenderChoice
from scenetok_jax.reading.shown import say
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.sharing import export as exporting
from scenetok_jax.sharing.points import PointOptions


def main(argv: console.Argv = None) -> None:
  """Writes OUT/images/, sparse/0/, transforms.json and points.ply."""
  options = RenderChoice, PathOptions, SamplingChanges, PointOptions
  parser = console.parser("export", __doc__, *options, json=True)
  parser.urls = ("workdir", "colours")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a run, in colour or of depth")
  text = "of a depth run: what it was tuned from (default: config.restore)"
  add("--colours", metavar="WORKDIR", help=text)
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  choice = flags.take_options(args, RenderChoice)
  with outputs.opened(args.out, exporting.FILES) as out:
    found = _export(args, choice, out)
  console.write_json(args, found)
  say(
    f"{args.out}: {found['frames']} frames of {found['scene']} along"
    f" {found['trajectory']}, {found['points']} points"
  )


def _export(
  args: argparse.Namespace, choice: RenderChoice, out: outputs.Output
) -> dict[str, Any]:
  """Writes OUT; returns what was done."""
  renderers = exporting.open_renderers(args.workdir, args.colours, args.out)
  model = renderers.own
  scene, opened = scenes.scene_of(model, choice)
  along = flags.take_options(args, PathOptions)
  side = model.model.image_size
  path = scenes.path_through(
    scene, opened, choice.trajectory, along, ViewOptions(), side
  )
  with console.follow("frames") as progress:
    found = exporting.export(
      renderers,
      scene,
      path,
      out,
      flags.take_options(args, PointOptions),
      sampling=flags.take_options(args, SamplingChanges),
      seed=choice.seed,
      progress=progress,
    )
  return {"scene": scene.key, "trajectory": path.name, **found}


if __name__ == "__main__":
  console.script(main)
