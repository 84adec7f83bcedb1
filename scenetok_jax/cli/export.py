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
from scenetok_jax.inference.scenes import SceneChoice
from scenetok_jax.reading.schema import Seed
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.sampling.views import ViewOptions
from scenetok_jax.sharing import export as exporting
from scenetok_jax.sharing.points import PointOptions
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Writes OUT/images/, sparse/0/, transforms.json and points.ply."""
  options = SceneChoice, PathOptions, SamplingChanges, PointOptions
  parser = console.parser("export", __doc__, *options, json=True)
  parser.urls = ("workdir", "colours")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a run, in colour or of depth")
  text = "of a depth run: what it was tuned from (default: config.restore)"
  add("--colours", metavar="WORKDIR", help=text)
  add("--tokens", metavar="FILE.tok", help="a scene file by scenetok encode")
  names = f"{'|'.join(paths.SCENE_PATHS)}|FILE.json"
  add("--trajectory", default="context", help=names)
  add("--seed", type=flags.ranged(Seed), default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  args = parser.parse_args(argv)
  if sum(x is not None for x in (args.scene, args.capture, args.tokens)) != 1:
    raise InputError("--scene, --capture, --tokens: give one of the three")
  with outputs.opened(args.out, exporting.FILES) as out:
    found = _export(args, out)
  console.write_json(args, found)
  print(
    f"{args.out}: {found['frames']} frames of {found['scene']} along"
    f" {found['trajectory']}, {found['points']} points"
  )


def _export(args: argparse.Namespace, out: outputs.Output) -> dict[str, Any]:
  """Writes OUT; returns what was done."""
  renderers = exporting.open_renderers(args.workdir, args.colours, args.out)
  model = renderers.own
  choice = flags.take_options(args, SceneChoice)
  scene, opened = scenes.scene_of(model, choice, args.tokens, args.seed)
  along = flags.take_options(args, PathOptions)
  side = model.model.image_size
  path = scenes.path_through(
    scene, opened, args.trajectory, along, ViewOptions(), side
  )
  with console.follow("frames") as progress:
    found = exporting.export(
      renderers,
      scene,
      path,
      out,
      flags.take_options(args, PointOptions),
      sampling=flags.take_options(args, SamplingChanges),
      seed=args.seed,
      progress=progress,
    )
  return {"scene": scene.key, "trajectory": path.name, **found}


if __name__ == "__main__":
  console.script(main)
