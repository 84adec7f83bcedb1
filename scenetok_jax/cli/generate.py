"""Generates new scenes from one to three posed images, and renders them."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax import console
from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference import conditions, pictures, placement, rendering
from scenetok_jax.inference.conditions import Conditions
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_writable, write_json
from scenetok_jax.model import encode_views
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.generate import (
  GenerateOptions,
  SceneCondition,
  anchor_indices,
  generate_tokens,
  token_noise,
)
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.scene_file import (
  SceneFile,
  codec_digest,
  model_digest,
  save_scene,
)
from scenetok_jax.types import Array, Cameras, InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes a video and frames per seed, contact_sheet.png, generate.json."""
  args = _parser().parse_args(argv)
  start = time.monotonic()
  if bool(args.image) == (args.scene is not None):
    raise InputError("--image, --scene: give one of the two")
  if args.seeds < 1:
    raise InputError(f"--seeds: {args.seeds} must be at least 1")
  out = Path(args.out)
  check_writable(out)
  scenetok = SceneTok.from_pretrained(args.workdir)
  if scenetok.model.generator is None:
    raise InputError(
      f"{args.workdir}: config.stage: {scenetok.config.stage}; generating"
      " needs a stage-2 workdir (config.stage=generator)"
    )
  given = (
    conditions.from_photos(scenetok, args.image, args.cameras, args.fov)
    if args.image
    else conditions.from_scene(
      scenetok, args.data, args.split, args.scene, args.views
    )
  )
  path = camera_path(given, args.anchors, paths.PathOptions.of(args))
  options = generate_options(scenetok, args)
  render_options = rendering.render_options(scenetok, args, "render_")
  rendering.check_path(scenetok, path, render_options)
  token_key, video_key = jax.random.split(jax.random.key(args.seed))
  reference = np.asarray(given.views.cameras.extrinsics)[0]
  state = out / rendering.STATE_FILE
  with placement.on_devices(scenetok, args.seeds) as scenetok:
    tokens = generate(scenetok, given, path, token_key, options, args.seeds)
    save_scenes(out, scenetok, given, path, tokens)
    videos = rendering.render(
      scenetok, tokens, reference, path, video_key, render_options, state=state
    )[:, 0]
  write(out, given, path, videos)
  result = {
    "images": given.name,
    "anchors": path.name,
    "frames": videos.shape[1],
    "seeds": args.seeds,
    "seed": args.seed,
    "checkpoint_step": scenetok.step,
    "generation": dataclasses.asdict(options),
    "rendering": dataclasses.asdict(render_options),
    "token_mean_square": jnp.mean(tokens**2, axis=(1, 2)),
    "seconds": time.monotonic() - start,
  }
  write_json(out / "generate.json", result)
  if args.json:
    write_json(args.json, result)
  state.unlink(missing_ok=True)
  print(
    f"{out}: {args.seeds} new scene(s) of {result['frames']} frames from"
    f" {given.name} in {result['seconds']:.1f} s"
  )
  return 0


def generate_options(
  scenetok: SceneTok, args: argparse.Namespace
) -> GenerateOptions:
  """The run's own generation with what the command line changes."""
  names = ("steps", "guidance", "solver")
  given = {name: getattr(args, name) for name in names}
  given = {name: value for name, value in given.items() if value is not None}
  options = dataclasses.replace(
    GenerateOptions.of(scenetok.config.generation), **given
  )
  if options.steps < 1:
    raise InputError(f"--steps: {options.steps} must be at least 1")
  if not np.isfinite(options.guidance):
    raise InputError(f"--guidance: {options.guidance} is not a number")
  return options


def camera_path(
  given: Conditions, name: str | None, options: paths.PathOptions
) -> CameraPath:
  """Where the new scene is visited: a motion, a file or the scene's path.

  The first conditioning view is where motions start.
  """
  if name is None:
    name = "forward" if given.path is None else "scene"
  if name.endswith(".json"):
    return paths.from_file(name, options)
  if name == "scene":
    if given.path is None:
      raise InputError(
        "--anchors: scene: photos have no path of their own; use"
        f" {', '.join(paths.MOTIONS)} or a .json file"
      )
    kept = slice(options.frames)
    cameras = Cameras(given.path.extrinsics[kept], given.path.intrinsics[kept])
    return CameraPath("scene", cameras)
  cameras = given.views.cameras
  return paths.motion(
    name, cameras.extrinsics[0], cameras.intrinsics[0], options
  )


def generate(
  scenetok: SceneTok,
  given: Conditions,
  path: CameraPath,
  key: Array,
  options: GenerateOptions,
  seeds: int,
) -> Array:
  """Tokens of `seeds` new scenes [S N C], with progress."""
  model, anchors = scenetok.model, scenetok.config.generation.anchors
  reference = given.views.cameras.extrinsics[0]
  count = len(given.views.cameras.extrinsics)
  # Empty slots repeat the last view and are masked (release).
  slots = np.minimum(np.arange(model.num_conditions), count - 1)
  views = jax.tree.map(lambda a: np.asarray(a)[slots][None], given.views)
  stops = anchor_indices(len(path.cameras.extrinsics), anchors)
  marks = jax.tree.map(lambda a: np.asarray(a)[stops][None], path.cameras)
  latents = jax.jit(
    lambda params, views: encode_views(model.context_codec, views, None, params)
  )(model.context_codec.params, views)
  condition = SceneCondition(
    latents=latents,
    cameras=relative_to(views.cameras, reference),
    anchors=relative_to(marks, reference),
    visible=np.arange(model.num_conditions)[None] < count,
  )
  condition = jax.tree.map(lambda a: jnp.repeat(a, seeds, axis=0), condition)
  noise = token_noise(model, key, seeds)
  with console.Progress("tokens", options.steps, "step") as progress:
    return generate_tokens(
      model, scenetok.params, condition, noise, options, progress.update
    )


def save_scenes(
  out: Path,
  scenetok: SceneTok,
  given: Conditions,
  path: CameraPath,
  tokens: Array,
) -> None:
  """OUT/scene_00.tok, ...: each new scene for `scenetok render --tokens`."""
  for stale in out.glob("scene_[0-9]*.tok"):
    stale.unlink()
  stops = anchor_indices(
    len(path.cameras.extrinsics), scenetok.config.generation.anchors
  )
  context = jax.tree.map(lambda a: np.asarray(a)[stops], path.cameras)
  model = model_digest(scenetok.params)
  codec = codec_digest(scenetok.model.target_codec)
  for index, scene in enumerate(np.asarray(tokens)):
    name = f"scene_{index:02d}"
    save_scene(
      out / f"{name}.tok",
      SceneFile(
        key=name,
        tokens=scene,
        reference=np.asarray(given.views.cameras.extrinsics)[0],
        context=context,
        model=model,
        codec=codec,
      ),
    )


def write(
  out: Path, given: Conditions, path: CameraPath, videos: np.ndarray
) -> None:
  """video.mp4 of the first seed, video_01.mp4, ...; the sheet of all."""
  pictures.clear(out)
  shown = pictures.columns(videos.shape[1])
  rows = [("given", np.asarray(given.views.images))]
  for index, video in enumerate(videos):
    name = f"_{index:02d}" if index else ""
    pictures.write_video(out, video, name)
    rows.append((f"sample {index}: {path.name}", video[shown]))
  pictures.write_sheet(out, rows)


def _parser() -> console.Parser:
  parser = console.parser("generate", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a stage-2 run")
  add("--image", nargs="+", metavar="IMG", help="1-3 images")
  add("--cameras", metavar="FILE.json", help="one camera per image")
  add("--fov", type=float, help="horizontal field of view of one photo, deg")
  add("--scene", metavar="KEY", help="take the images from a prepared scene")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add(
    "--views",
    type=int,
    nargs="+",
    default=[0],
    metavar="FRAME",
    help="with --scene: frames to condition on",
  )
  add(
    "--anchors",
    help="where to visit the new scene: forward|look|orbit|FILE.json, or"
    " scene for the prepared scene's own path (default: scene, else forward)",
  )
  paths.add_options(add)
  add("--seeds", type=int, default=1, help="new scenes to draw")
  add("--seed", type=int, default=0, help="of all draws")
  add("--steps", type=int, help="token steps (default: the run's)")
  add("--solver", choices=SOLVERS, help="of the tokens (default: euler)")
  add("--guidance", type=float, help="default: the run's; 1 is none")
  rendering.add_options(add, "render-")
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write generate.json here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
