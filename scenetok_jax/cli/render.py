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

from scenetok_jax import console
from scenetok_jax.evaluation.baselines import mean_view, nearest_view
from scenetok_jax.inference import pictures, placement, rendering, scenes
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_writable, write_json
from scenetok_jax.media import colorize, error_map, write_png
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.types import Array, InputError, Views


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/video.mp4, frames/, contact_sheet.png and render.json."""
  args = _parser().parse_args(argv)
  start = time.monotonic()
  if sum(x is not None for x in (args.scene, args.capture, args.tokens)) != 1:
    raise InputError("--scene, --capture, --tokens: give one of the three")
  if args.samples < 1:
    raise InputError(f"--samples: {args.samples} must be at least 1")
  out = Path(args.out)
  check_writable(out)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = rendering.render_options(scenetok, args)
  state = out / rendering.STATE_FILE
  with placement.on_devices(scenetok, args.samples) as scenetok:
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    subject = (
      scenes.read_subject(scenetok, args.tokens)
      if args.tokens is not None
      else scenes.encode_scene(
        scenetok, scenes.open_scene(scenetok, args), token_key
      )
    )
    path = paths.through_scene(
      args.trajectory,
      scenes.cameras_of(subject.clip.clip) if subject.clip else None,
      subject.context,
      paths.PathOptions.of(args),
    )
    videos = rendering.render(
      scenetok,
      subject.tokens,
      subject.reference,
      path,
      noise_key,
      options,
      samples=args.samples,
      state=state,
    )[0]
  result = {
    "scene": subject.key,
    "source": subject.source,
    "trajectory": path.name,
    "frames": videos.shape[1],
    "samples": args.samples,
    "seed": args.seed,
    "checkpoint_step": scenetok.step,
    "options": dataclasses.asdict(options),
    **write(out, subject.clip, path, videos),
    "seconds": time.monotonic() - start,
  }
  if subject.clip:
    result["context_frames"] = subject.clip.context
  write_json(out / "render.json", result)
  if args.json:
    write_json(args.json, result)
  state.unlink(missing_ok=True)
  print(summary(out, result))
  return 0


def write(
  out: Path, scene: OpenScene | None, path: CameraPath, videos: np.ndarray
) -> dict[str, Any]:
  """Writes the pictures of `videos` [S T H W 3]; returns the scores."""
  video = videos[0]
  shown = pictures.columns(len(video))
  rows = [("context", np.asarray(scene.context_views.images))] if scene else []
  rows.append((f"rendered: {path.name}", video[shown]))
  result: dict[str, Any] = {}
  if scene and path.clip_frames is not None:
    frames = path.clip_frames[: len(video)]
    truth = np.asarray(scene.clip.images)[frames]
    rows.append(("truth", truth[shown]))
    rows.append(("error", error_map(video, truth)[shown]))
    result.update(scores(scene, frames, video))
  pictures.clear(out)
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


def _unit(images: Array) -> Array:
  return jnp.asarray(images, jnp.float32) / 255.0


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


def _parser() -> console.Parser:
  parser = console.parser("render", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  scenes.add_options(add)
  add("--tokens", metavar="FILE.tok", help="a scene file by scenetok encode")
  add(
    "--trajectory",
    default="context",
    help=f"{'|'.join(paths.SCENE_PATHS)}|FILE.json",
  )
  paths.add_options(add)
  add("--samples", type=int, default=1, help="more than 1: variance maps too")
  rendering.add_options(add)
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write render.json here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
