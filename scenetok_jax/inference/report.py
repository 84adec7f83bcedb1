"""What render and generate write, and the scores of a rendering."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from scenetok_jax.inference import pictures
from scenetok_jax.inference.conditions import Conditions
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import to_unit, write_json
from scenetok_jax.media import colorize, error_map, write_png
from scenetok_jax.metrics.baselines import mean_view, nearest_view
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import Array


def write_rendering(
  out: Path,
  scene: Scene,
  source: str,
  opened: OpenScene | None,
  path: CameraPath,
  videos: np.ndarray,
  told: Mapping[str, Any],
  start: float,
  copy: str | None = None,
) -> dict[str, Any]:
  """Writes the samples of one scene and OUT/render.json.

  OUT/video.mp4, frames/ and contact_sheet.png; of more samples also
  video_01.mp4, frames_01/, ... and deviation/.

  Args:
    out: the folder.
    scene: what was rendered.
    source: where it comes from.
    opened: its images, None where only its tokens are known.
    path: along which.
    videos: uint8 [S T H W 3].
    told: how, for the JSON.
    start: time.monotonic() when the work began.
    copy: another file for the JSON.

  Returns:
    The JSON: scores where the path has a truth, variance where S > 1.
  """
  result = {
    "scene": scene.key,
    "source": source,
    "trajectory": path.name,
    "frames": videos.shape[1],
    "samples": len(videos),
    **told,
    **_write_samples(out, opened, path, videos),
    "seconds": time.monotonic() - start,
    **({"context_frames": opened.context} if opened else {}),
  }
  write_json(out / "render.json", result)
  if copy:
    write_json(copy, result)
  return result


def _write_samples(
  out: Path, opened: OpenScene | None, path: CameraPath, videos: np.ndarray
) -> dict[str, Any]:
  """The pictures; returns the scores."""
  video = videos[0]
  shown = pictures.columns(len(video))
  rows = (
    [("context", np.asarray(opened.context_views.images))] if opened else []
  )
  rows.append((f"rendered: {path.name}", video[shown]))
  result: dict[str, Any] = {}
  if opened and path.clip_frames is not None:
    frames = path.clip_frames[: len(video)]
    truth = np.asarray(opened.clip.images)[frames]
    rows.append(("truth", truth[shown]))
    rows.append(("error", error_map(video, truth)[shown]))
    result.update(scores(opened, frames, video))
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
  opened: OpenScene, frames: np.ndarray, video: np.ndarray
) -> dict[str, Any]:
  """Scores over the novel frames among `frames` of the clip, in decibels."""
  kept = np.flatnonzero(np.isin(frames, opened.novel))
  if not len(kept):
    return {"novel_frames": 0}
  target = opened.take(frames[kept])
  truth = _unit(target.images)
  context = opened.context_views

  def mean_psnr(images: np.ndarray) -> float:
    return float(jnp.mean(psnr(_unit(images), truth)))

  return {
    "novel_frames": len(kept),
    "psnr": mean_psnr(video[kept]),
    "ssim": float(jnp.mean(ssim(_unit(video[kept]), truth))),
    "nearest_view_psnr": mean_psnr(nearest_view(context, target)),
    "mean_view_psnr": mean_psnr(mean_view(context, target)),
  }


def _unit(images: Array) -> Any:
  return to_unit(jnp.asarray(images))


def save_scenes(out: Path, scenes: Sequence[Scene]) -> None:
  """OUT/scene_00.tok, ...: new scenes for `scenetok render --tokens`."""
  for stale in out.glob("scene_[0-9]*.tok"):
    stale.unlink()
  for scene in scenes:
    scene.save(out / f"{scene.key}.tok")


def write_generation(
  out: Path,
  given: Conditions,
  path: CameraPath,
  scenes: Sequence[Scene],
  videos: np.ndarray,
  told: Mapping[str, Any],
  start: float,
  copy: str | None = None,
) -> dict[str, Any]:
  """Writes new scenes' videos and OUT/generate.json.

  OUT/video.mp4 of the first scene, video_01.mp4, ...; the sheet of all.

  Args:
    out: the folder.
    given: the images that the scenes were generated from.
    path: where they are visited.
    scenes: S of them.
    videos: uint8 [S T H W 3].
    told: how, for the JSON.
    start: time.monotonic() when the work began.
    copy: another file for the JSON.

  Returns:
    The JSON.
  """
  pictures.clear(out)
  shown = pictures.columns(videos.shape[1])
  rows = [("given", np.asarray(given.views.images))]
  for index, video in enumerate(videos):
    name = f"_{index:02d}" if index else ""
    pictures.write_video(out, video, name)
    rows.append((f"sample {index}: {path.name}", video[shown]))
  pictures.write_sheet(out, rows)
  tokens = jnp.stack([scene.tokens for scene in scenes])
  result = {
    "images": given.name,
    "anchors": path.name,
    "frames": videos.shape[1],
    "seeds": len(scenes),
    **told,
    "token_mean_square": jnp.mean(tokens**2, axis=(1, 2)),
    "seconds": time.monotonic() - start,
  }
  write_json(out / "generate.json", result)
  if copy:
    write_json(copy, result)
  return result


def told(
  model: SceneTok, seed: int, options: Mapping[str, Any]
) -> dict[str, Any]:
  """What a JSON says of how something was made; options are dataclasses."""
  return {
    "seed": seed,
    "checkpoint_step": model.step,
    **{name: dataclasses.asdict(given) for name, given in options.items()},
  }


def rendering_summary(out: Path, result: dict[str, Any]) -> str:
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


def generation_summary(out: Path, result: dict[str, Any]) -> str:
  """What was done, in a line."""
  return (
    f"{out}: {result['seeds']} new scene(s) of {result['frames']} frames from"
    f" {result['images']} in {result['seconds']:.1f} s"
  )
