"""Renders of encoded scenes: their scores, their cost, their storages."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.analyses.novel_views import unit
from scenetok_jax.flow.solvers import get_solver
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference import scenes
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.baselines import mean_view
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.metrics.loading import LoadedMetric
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import STORAGES, restored, stored
from scenetok_jax.sampling.video import VideoProgram, render_video
from scenetok_jax.types import Array, Cameras

LPIPS_EVERY = 4  # ours: VGG16 on all frames would take longer than rendering


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """Encoded scenes of one shape: tokens [B N C], paths [B T], truth.

  truth, mean_view: uint8 [B T H W 3]; the latter is a baseline. novel: bool
  [B T], frames that are scored.
  """

  tokens: Array
  cameras: Cameras
  truth: np.ndarray
  mean_view: np.ndarray
  novel: np.ndarray


def prepare(
  scenetok: SceneTok,
  data: str | None,
  split: str | None,
  count: int,
  frames: int | None,
) -> Benchmark:
  """Encodes the first scenes and cuts them to one length."""
  opened = [
    scenes.open_prepared(scenetok, data, split, str(i)) for i in range(count)
  ]
  key = jax.random.key(0)
  tokens = [scene.encode(scenetok, key).tokens for scene in opened]
  length = min(len(scene.clip.cameras.extrinsics) for scene in opened)
  codec = scenetok.model.target_codec
  length = codec.frames(codec.latents(min(length, frames or length)))
  numbers = np.arange(length)
  targets = [scene.take(numbers) for scene in opened]
  cameras = [
    relative_to(target.cameras, scene.reference)
    for scene, target in zip(opened, targets, strict=True)
  ]
  return Benchmark(
    jnp.stack(tokens),
    jax.tree.map(lambda *arrays: jnp.stack(arrays), *cameras),
    np.stack([np.asarray(target.images) for target in targets]),
    np.stack(
      [
        mean_view(scene.context_views, target)
        for scene, target in zip(opened, targets, strict=True)
      ]
    ),
    np.stack([np.isin(numbers, scene.novel) for scene in opened]),
  )


def render(
  scenetok: SceneTok,
  program: VideoProgram,
  bench: Benchmark,
  tokens: Array,
  key: Array,
  options: RenderOptions,
) -> tuple[np.ndarray, dict[str, float]]:
  """Videos [B T H W 3], and what they cost."""
  start = time.monotonic()
  videos = render_video(
    program, scenetok.params, tokens, bench.cameras, key, options=options
  )[:, 0]
  seconds = time.monotonic() - start
  return videos, {
    "evaluations": get_solver(options.solver).evaluations(options.steps),
    "seconds": seconds,
    "seconds_per_frame": seconds / bench.novel.size,
  }


def scores(
  bench: Benchmark, videos: np.ndarray, lpips: LoadedMetric | None = None
) -> dict[str, float]:
  """Means over the novel frames; LPIPS over every LPIPS_EVERY-th of them."""
  found, truth = unit(videos[bench.novel]), unit(bench.truth[bench.novel])
  result = {
    "psnr": float(jnp.mean(psnr(found, truth))),
    "ssim": float(jnp.mean(ssim(found, truth))),
  }
  if lpips:
    some = slice(None, None, LPIPS_EVERY)
    distances = lpips(np.asarray(found[some]), np.asarray(truth[some]))
    result["lpips"] = float(np.mean(distances))
  return result


def agreements(
  rows: Sequence[dict[str, Any]], videos: Sequence[np.ndarray]
) -> list[float | None]:
  """PSNR of each row's videos against the finest row's, from equal noise.

  It tells how well a solver follows the flow, whatever the flow leads to;
  None for the finest itself.
  """
  finest = int(np.argmax([row["evaluations"] for row in rows]))
  truth = unit(videos[finest])
  return [
    None if i == finest else float(jnp.mean(psnr(unit(video), truth)))
    for i, video in enumerate(videos)
  ]


def storages(
  scenetok: SceneTok, bench: Benchmark, key: Array
) -> dict[str, dict[str, float]]:
  """PSNR with the tokens in each storage of a scene file, and its loss."""
  options = RenderOptions.of(scenetok.config.sampling)
  program = VideoProgram(scenetok.model, options)
  found: dict[str, dict[str, float]] = {}
  for storage in STORAGES:
    kept = [stored(np.asarray(scene), storage) for scene in bench.tokens]
    tokens = jnp.stack([jnp.asarray(restored(arrays)) for arrays in kept])
    videos, _ = render(scenetok, program, bench, tokens, key, options)
    size = sum(array.nbytes for array in kept[0].values())
    found[storage] = {"bytes": size, "psnr": scores(bench, videos)["psnr"]}
  exact = found["float32"]["psnr"]
  for row in found.values():
    row["loss_db"] = exact - row["psnr"]
  return found
