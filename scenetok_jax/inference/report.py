"""What render and generate write, and the scores of a rendering."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from scenetok_jax import media
from scenetok_jax.inference import pictures
from scenetok_jax.inference.conditions import Conditions
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import to_unit, write_json
from scenetok_jax.metrics.baselines import mean_view, nearest_view
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.outputs import Output
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.scene_file import Scene

STATE_FILE = "interrupted.safetensors"  # in OUT until the video is written
# What a run of either verb may write into OUT.
_FILES = (*pictures.FILES, "contact_sheet.png", STATE_FILE)
RENDERED = (*_FILES, "render.json")
GENERATED = (*_FILES, "generate.json", "scene_[0-9]*.tok")


def write_rendering(
  out: Output, opened: OpenScene | None, path: CameraPath, videos: np.ndarray
) -> dict[str, Any]:
  """The pictures of one scene's samples, uint8 [S T H W 3], along a path.

  OUT/video.mp4, frames/ and contact_sheet.png; of more samples also
  video_01.mp4, frames_01/, ... and deviation/. opened: the scene's images,
  None where only its tokens are known.
  Returns values for the JSON: scores where the path has a truth, variance where
  S > 1.
  """
  video, rows = videos[0], []
  shown = pictures.columns(len(video))
  result: dict[str, Any] = {"trajectory": path.name, "frames": len(video)}
  result["samples"] = len(videos)
  if opened:
    result["context_frames"] = opened.context
    rows = [("context", np.asarray(opened.context_views.images))]
  rows.append((f"rendered: {path.name}", video[shown]))
  if opened and path.clip_frames is not None:
    frames = path.clip_frames[: len(video)]
    truth = np.asarray(opened.clip.images)[frames]
    rows.append(("truth", truth[shown]))
    rows.append(("error", media.error_map(video, truth)[shown]))
    result |= _scores(opened, frames, video)
  pictures.write_videos(out, videos)
  if len(videos) > 1:
    deviation = to_unit(videos.astype(np.float32).std(axis=0).mean(axis=-1))
    maps = media.colorize(deviation)
    rows.append((f"deviation of {len(videos)} samples", maps[shown]))
    pictures.write_frames(out, "deviation", maps)
    result["variance"] = float(np.mean(deviation**2))
    result["deviation_per_frame"] = deviation.mean(axis=(1, 2))
  media.write_png(out.file("contact_sheet.png"), media.contact_sheet(rows))
  return result


def _scores(
  opened: OpenScene, frames: np.ndarray, video: np.ndarray
) -> dict[str, Any]:
  """Scores over the novel frames among `frames` of the clip, in decibels."""
  kept = np.flatnonzero(np.isin(frames, opened.novel))
  if not len(kept):
    return {"novel_frames": 0}
  target, context = opened.take(frames[kept]), opened.context_views
  unit = {
    name: to_unit(jnp.asarray(images))
    for name, images in (
      ("", video[kept]),
      ("nearest_view_", nearest_view(context, target)),
      ("mean_view_", mean_view(context, target)),
    )
  }
  truth = to_unit(jnp.asarray(target.images))
  return {
    "novel_frames": len(kept),
    "ssim": float(jnp.mean(ssim(unit[""], truth))),
    **{
      f"{name}psnr": float(jnp.mean(psnr(images, truth)))
      for name, images in unit.items()
    },
  }


def save_scenes(out: Output, scenes: Sequence[Scene]) -> None:
  """OUT/scene_00.tok, ...: new scenes for `scenetok render --tokens`."""
  out.clear("scene_[0-9]*.tok")
  for scene in scenes:
    scene.save(out.file(f"{scene.key}.tok"))


def write_generation(
  out: Output,
  given: Conditions,
  path: CameraPath,
  scenes: Sequence[Scene],
  videos: np.ndarray,
) -> dict[str, Any]:
  """The pictures of S new scenes' videos, uint8 [S T H W 3], along a path.

  OUT/video.mp4 of the first scene, video_01.mp4, ...; the sheet of all.
  Returns values for the JSON.
  """
  pictures.write_videos(out, videos)
  shown = pictures.columns(videos.shape[1])
  rows = [("given", np.asarray(given.views.images))]
  for index, video in enumerate(videos):
    rows.append((f"sample {index}: {path.name}", video[shown]))
  media.write_png(out.file("contact_sheet.png"), media.contact_sheet(rows))
  tokens = jnp.stack([scene.tokens for scene in scenes])
  return {
    "images": given.name,
    "anchors": path.name,
    "frames": videos.shape[1],
    "seeds": len(scenes),
    "token_mean_square": jnp.mean(tokens**2, axis=(1, 2)),
  }


def write_result(
  file: Path,
  copy: str | None,
  result: dict[str, Any],
  model: SceneTok,
  seed: int,
  start: float,
  **options: Any,
) -> dict[str, Any]:
  """Writes the JSON, with how it was made, to `file` and another one.

  start: time.monotonic() when the work began. **options: dataclasses.
  """
  result = {
    **result,
    "seed": seed,
    "checkpoint_step": model.step,
    **{name: dataclasses.asdict(given) for name, given in options.items()},
    "seconds": time.monotonic() - start,
  }
  write_json(file, result)
  if copy:
    write_json(copy, result)
  return result


def rendering_summary(out: str | Path, result: dict[str, Any]) -> str:
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


def generation_summary(out: str | Path, result: dict[str, Any]) -> str:
  """What was done, in a line."""
  return (
    f"{out}: {result['seeds']} new scene(s) of {result['frames']} frames from"
    f" {result['images']} in {result['seconds']:.1f} s"
  )
