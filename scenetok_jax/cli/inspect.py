"""Looks into prepared data: pictures, camera path and statistics of a scene."""

from typing import Any

from data_pipelines.inspection import report
from scenetok_jax import console, flags
from scenetok_jax.reading.schema import Some
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Prints a data set or one scene of it; with a scene, draws it into --out."""
  parser = console.parser("inspect", __doc__, json=True)
  add: Any = parser.add_argument
  add("dataset", help="folder made by `scenetok prepare` or `latents`")
  add("--split", help="(default: train, or the only one)")
  add("--scene", help="its key or number; without it, an overview")
  add(
    "--epipolar",
    type=flags.ranged(Some),
    nargs="*",
    metavar="FRAME",
    help="draw epipolar lines between two frames (default: chosen)",
  )
  add("--out", metavar="DIR", help="of the pictures (default: inspect-SCENE)")
  args = parser.parse_args(argv)
  if args.scene is None and args.epipolar is not None:
    raise InputError("--epipolar: two frames of which --scene?")
  dataset = report.open_prepared(args.dataset, args.split)
  if args.scene is None:
    result = report.overview(dataset)
    lines = report.overview_lines(args.dataset, result)
  else:
    result = report.draw_scene(dataset, args.scene, args.out, args.epipolar)
    lines = report.scene_lines(result)
  say("\n".join(lines))
  console.write_json(args, result)


if __name__ == "__main__":
  console.script(main)
