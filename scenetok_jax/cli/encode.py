"""Encodes a scene to a small file that renders without its images."""

from pathlib import Path
from typing import Any

from scenetok_jax import console, flags
from scenetok_jax.disk import check_file
from scenetok_jax.inference import scenes
from scenetok_jax.inference.placement import open_model
from scenetok_jax.inference.scene_choice import SceneChoice
from scenetok_jax.reading.schema import Seed
from scenetok_jax.reading.shown import say
from scenetok_jax.sampling.scene_file import STORAGES
from scenetok_jax.types import InputError


def main(argv: console.Argv = None) -> None:
  """Writes --out, a scene file."""
  parser = console.parser("encode", __doc__, SceneChoice, json=True)
  add: Any = parser.add_argument
  add(
    "--workdir",
    required=True,
    help="a run, checkpoints/rooms or hf://OWNER/NAME",
  )
  add("--storage", default="float32", choices=STORAGES)
  add("--seed", type=flags.ranged(Seed), default=0)
  add("--out", required=True, metavar="FILE.tok", help="file to write")
  args = parser.parse_args(argv)
  if (args.scene is None) == (args.capture is None):
    raise InputError("--scene, --capture: give one of the two")
  check_file(Path(args.out), "--out")
  model = open_model(args.workdir, args.out)
  choice = flags.take_options(args, SceneChoice)
  opened = scenes.open_scene(model, choice)
  scene = opened.encode(model, args.seed, choice.rescale)
  size = scene.save(args.out, args.storage)
  result = {
    "scene": scene.key,
    "source": opened.source,
    "storage": args.storage,
    "bytes": size,
    "tokens": list(scene.tokens.shape),
    "scale": scene.scale,
    "checkpoint_step": model.step,
  }
  console.write_json(args, result)
  say(f"{args.out}: {scene.key}, {size} bytes, {args.storage}")


if __name__ == "__main__":
  console.script(main)
