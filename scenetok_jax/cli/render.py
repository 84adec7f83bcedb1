"""Renders a scene along a camera path: video, frames, contact sheet."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.cli import assemble, common, paths, pictures, scenes
from scenetok_jax.cli.assemble import Run
from scenetok_jax.cli.paths import CameraPath
from scenetok_jax.cli.scenes import OpenScene
from scenetok_jax.evaluation.baselines import mean_view, nearest_view
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.media import colorize, error_map, write_png
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.sampling.encode import encode
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.video import render_video, video_plan
from scenetok_jax.types import Array, InputError, Views


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/video.mp4, frames/, contact_sheet.png and render.json."""
  args = _parser().parse_args(argv)
  start = time.monotonic()
  if (args.scene is None) == (args.capture is None):
    raise InputError("--scene, --capture: give one of the two")
  if args.samples < 1:
    raise InputError(f"--samples: {args.samples} must be at least 1")
  out = Path(args.out)
  pictures.check_writable(out)
  run = assemble.load_run(args.workdir)
  scene = (
    scenes.open_capture(run, args.capture)
    if args.capture
    else scenes.open_prepared(run, args.data, args.split, args.scene)
  )
  path = paths.through_scene(
    args.trajectory,
    scenes.cameras_of(scene.clip),
    scenes.cameras_of(scene.context_views),
    paths.PathOptions.of(args),
  )
  options = render_options(run, args.steps, args.guidance)
  key = jax.random.key(args.seed)
  noise_key, token_key = jax.random.split(key)
  tokens = encode_scene(run, scene, token_key)
  videos = render(
    run, tokens, scene.reference, path, noise_key, options, args.samples
  )
  result = {
    "scene": scene.key,
    "source": scene.source,
    "trajectory": path.name,
    "frames": videos.shape[1],
    "samples": args.samples,
    "seed": args.seed,
    "checkpoint_step": run.step,
    "options": dataclasses.asdict(options),
    "context_frames": scene.context,
    **write(out, scene, path, videos),
    "seconds": time.monotonic() - start,
  }
  common.write_json(out / "render.json", result)
  if args.json:
    common.write_json(args.json, result)
  print(summary(out, result))
  return 0


def render_options(
  run: Run, steps: int | None, guidance: float | None
) -> RenderOptions:
  """The run's own sampling with what the command line changes.

  Raises:
    InputError: numbers that make no sense, or guidance without a null token.
  """
  options = RenderOptions.of(run.config.sampling)
  if steps is not None:
    if steps < 1:
      raise InputError(f"--steps: {steps} must be at least 1")
    options = dataclasses.replace(options, steps=steps)
  if guidance is not None:
    options = dataclasses.replace(options, guidance=guidance)
  if options.guidance > 1 and not run.system.decoder.null_token:
    raise InputError(
      f"--guidance: {options.guidance:g} needs a renderer trained with"
      " config.decoder.null_token; leave it at 1"
    )
  return options


def encode_scene(run: Run, scene: OpenScene, key: Array) -> Array:
  """Scene tokens [1 N C] of the context views."""
  context = jax.tree.map(lambda a: np.asarray(a)[None], scene.context_views)
  encoder = jax.jit(
    lambda params, views, reference, key: encode(
      run.system, params, views, reference, key
    )
  )
  deterministic = run.config.sampling.deterministic
  return encoder(
    run.params, context, scene.reference[None], None if deterministic else key
  )


def render(
  run: Run,
  tokens: Array,
  reference: np.ndarray,
  path: CameraPath,
  key: Array,
  options: RenderOptions,
  samples: int = 1,
) -> np.ndarray:
  """tokens [1 N C] -> `samples` videos uint8 [S T H W 3], with progress."""
  relative = relative_to(path.cameras, reference)
  batch = jax.tree.map(
    lambda a: jnp.repeat(jnp.asarray(a)[None], samples, axis=0), relative
  )
  plan = video_plan(run.system, options, len(path.cameras.extrinsics))
  with common.Progress("denoising", plan.steps, "step") as progress:
    return render_video(
      run.system,
      run.params,
      jnp.repeat(tokens, samples, axis=0),
      batch,
      key,
      options,
      progress.update,
    )


def write(
  out: Path, scene: OpenScene, path: CameraPath, videos: np.ndarray
) -> dict[str, Any]:
  """Writes the pictures of `videos` [S T H W 3]; returns the scores."""
  video = videos[0]
  shown = pictures.columns(len(video))
  rows = [("context", np.asarray(scene.context_views.images))]
  rows.append((f"rendered: {path.name}", video[shown]))
  result: dict[str, Any] = {}
  if path.clip_frames is not None:
    frames = path.clip_frames[: len(video)]
    truth = np.asarray(scene.clip.images)[frames]
    rows.append(("truth", truth[shown]))
    rows.append(("error", error_map(video, truth)[shown]))
    result.update(scores(scene, frames, video))
  pictures.write_video(out, video)
  if len(videos) > 1:
    deviation = videos.astype(np.float32).std(axis=0).mean(axis=-1) / 255.0
    maps = colorize(deviation)
    rows.append((f"deviation of {len(videos)} samples", maps[shown]))
    for index, image in enumerate(maps):
      write_png(out / "deviation" / f"{index:04d}.png", image)
    for index, other in enumerate(videos[1:], 1):
      pictures.write_video(out, other, f"_{index:02d}")
    result["variance"] = float(np.mean(deviation**2))
    result["deviation_per_frame"] = deviation.mean(axis=(1, 2))
  pictures.write_sheet(out, rows)
  return result


def scores(
  scene: OpenScene, frames: np.ndarray, video: np.ndarray
) -> dict[str, Any]:
  """Scores over the novel frames among `frames` of the clip, in decibels."""
  kept = np.flatnonzero(np.isin(frames, scene.novel))
  if not len(kept):
    return {"novel_frames": 0}
  target = scene.take(frames[kept])
  truth = _unit(target.images)
  context: Views = scene.context_views

  def mean_psnr(images: np.ndarray) -> float:
    return float(jnp.mean(psnr(_unit(images), truth)))

  return {
    "novel_frames": len(kept),
    "psnr": mean_psnr(video[kept]),
    "ssim": float(jnp.mean(ssim(_unit(video[kept]), truth))),
    "nearest_view_psnr": mean_psnr(nearest_view(context, target)),
    "mean_view_psnr": mean_psnr(mean_view(context, target)),
  }


def _unit(images: Array) -> np.ndarray:
  return np.asarray(images, np.float32) / 255.0


def summary(out: Path, result: dict[str, Any]) -> str:
  """What was done, in two lines at most."""
  text = (
    f"{out}: {result['frames']} frames of {result['scene']} along"
    f" {result['trajectory']} in {result['seconds']:.1f} s"
  )
  if "psnr" in result:
    text += (
      f"\n{result['novel_frames']} novel frames: PSNR {result['psnr']:.2f} dB,"
      f" SSIM {result['ssim']:.3f} (nearest view"
      f" {result['nearest_view_psnr']:.2f}, mean view"
      f" {result['mean_view_psnr']:.2f})"
    )
  return text


def _parser() -> common.Parser:
  parser = common.parser("render", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--scene", metavar="KEY", help="key or number of a prepared scene")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add("--capture", metavar="FOLDER", help="transforms.json or COLMAP, images")
  add(
    "--trajectory",
    default="context",
    help=f"{'|'.join(paths.SCENE_PATHS)}|FILE.json",
  )
  paths.add_options(add)
  add("--samples", type=int, default=1, help="more than 1: variance maps too")
  add("--steps", type=int, help="denoising steps (default: the run's)")
  add("--guidance", type=float, help="default: the run's; 1 is none")
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write render.json here too")
  return parser


if __name__ == "__main__":
  sys.exit(common.run(main))
