"""Encodes a scene to a small file that renders without its images."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenetok_jax import console
from scenetok_jax.inference import placement, scenes
from scenetok_jax.inference.scenes import SceneChoice
from scenetok_jax.io import check_writable
from scenetok_jax.sampling.scene_file import STORAGES
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes --out, a scene file."""
  parser = console.parser("encode", __doc__, json="write the file's size here")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  console.add_options(parser, SceneChoice)
  add("--storage", default="float32", choices=STORAGES)
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="FILE.tok", help="file to write")
  args = parser.parse_args(argv)
  if (args.scene is None) == (args.capture is None):
    raise InputError("--scene, --capture: give one of the two")
  out = Path(args.out)
  check_writable(out.parent)
  if out.is_dir():
    raise InputError(f"{out}: --out: a folder; give a file name, scene.tok")
  model = placement.open_model(args.workdir)
  opened = scenes.open_scene(model, console.take_options(args, SceneChoice))
  scene = opened.encode(model, args.seed)
  size = scene.save(out, args.storage)
  result = {
    "scene": scene.key,
    "source": opened.source,
    "storage": args.storage,
    "bytes": size,
    "tokens": list(scene.tokens.shape),
    "checkpoint_step": model.step,
  }
  console.write_json(args, result)
  print(f"{out}: {scene.key}, {size} bytes, {args.storage}")
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
