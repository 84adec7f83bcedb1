"""Encodes a scene to a small file that renders without its images."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.cli.render import scores
from scenetok_jax.inference import placement, rendering, scenes
from scenetok_jax.inference.scenes import Subject
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_writable, write_json
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.scene_file import (
  STORAGES,
  SceneFile,
  codec_digest,
  model_digest,
  restored,
  save_scene,
  stored,
)
from scenetok_jax.sampling.video import video_program
from scenetok_jax.types import InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes --out, a scene file; --measure says what its storage costs."""
  args = _parser().parse_args(argv)
  if (args.scene is None) == (args.capture is None):
    raise InputError("--scene, --capture: give one of the two")
  out = Path(args.out)
  check_writable(out.parent)
  if out.is_dir():
    raise InputError(f"{out}: --out: a folder; give a file name, scene.tok")
  scenetok = SceneTok.from_pretrained(args.workdir)
  with placement.on_devices(scenetok, 1) as scenetok:
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    scene = scenes.open_scene(scenetok, args)
    subject = scenes.encode_scene(scenetok, scene, token_key)
    size = save_scene(out, scene_file(scenetok, subject), args.storage)
    result: dict[str, Any] = {
      "scene": subject.key,
      "source": subject.source,
      "storage": args.storage,
      "bytes": size,
      "tokens": list(subject.tokens.shape[1:]),
      "checkpoint_step": scenetok.step,
    }
    if args.measure:
      result["measured"] = measure(scenetok, subject, noise_key)
  if args.json:
    write_json(args.json, result)
  print(f"{out}: {subject.key}, {size} bytes, {args.storage}")
  for storage, row in result.get("measured", {}).items():
    print(
      f"  {storage:<9}{row['token_bytes']:>8} bytes of tokens,"
      f" PSNR {row['psnr']:.3f} dB ({row['loss_db']:+.3f} dB lost)"
    )
  return 0


def scene_file(scenetok: SceneTok, subject: Subject) -> SceneFile:
  """The file's content for a scene that was just encoded."""
  return SceneFile(
    key=subject.key,
    tokens=np.asarray(subject.tokens)[0],
    reference=np.asarray(subject.reference),
    context=subject.context,
    model=model_digest(scenetok.params),
    codec=codec_digest(scenetok.model.target_codec),
  )


def measure(scenetok: SceneTok, subject: Subject, key: Any) -> dict[str, Any]:
  """PSNR over the clip's novel frames with the tokens in each storage.

  All storages are rendered from the same noise.
  """
  assert subject.clip is not None
  clip = scenes.cameras_of(subject.clip.clip)
  path = paths.through_scene("clip", clip, subject.context, paths.PathOptions())
  options = rendering.run_options(scenetok)
  program = video_program(scenetok.model, options)
  exact = np.asarray(subject.tokens)[0]
  found: dict[str, Any] = {}
  for storage in STORAGES:
    arrays = stored(exact, storage)
    video = rendering.render(
      scenetok,
      restored(arrays)[None],
      subject.reference,
      path,
      key,
      options,
      label=storage,
      program=program,
    )[0, 0]
    frames = np.arange(len(video))
    psnr = scores(subject.clip, frames, video).get("psnr", float("nan"))
    found[storage] = {
      "token_bytes": sum(array.nbytes for array in arrays.values()),
      "psnr": psnr,
      "loss_db": found.get("float32", {"psnr": psnr})["psnr"] - psnr,
    }
  return found


def _parser() -> console.Parser:
  parser = console.parser("encode", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  scenes.add_options(add)
  add("--storage", default="float32", choices=STORAGES)
  add(
    "--measure",
    action="store_true",
    help="render the clip with each storage and print its PSNR",
  )
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="FILE.tok", help="file to write")
  add("--json", metavar="FILE", help="write size and scores here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
