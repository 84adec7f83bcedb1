"""Quality against speed: what solvers and step counts cost and bring."""

import dataclasses
import functools
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.analyses import quality_speed_plot
from scenetok_jax.analyses.findings import Findings, Tell
from scenetok_jax.analyses.novel_views import unit
from scenetok_jax.flow.solvers import SOLVERS, get_solver
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference import placement, rendering, scenes
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.baselines import mean_view
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.metrics.loading import LoadedMetric, load_metric, missing
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.scene_file import STORAGES, restored, stored
from scenetok_jax.sampling.video import (
  VideoProgram,
  render_video,
  video_program,
)
from scenetok_jax.types import Array, Cameras, InputError, option

LPIPS_EVERY = 4  # ours: VGG16 on all frames would take longer than rendering


@dataclasses.dataclass(frozen=True)
class QualitySpeedOptions:
  """Every solver is run with every number of steps."""

  data: str | None = option(
    None, "prepared data (default: what the run trained on)"
  )
  split: str | None = option(None, "default: test, else train")
  scenes: int = option(8, "the first so many scenes")
  frames: int | None = option(None, "only the first so many frames of each")
  solvers: tuple[str, ...] = option(
    tuple(SOLVERS), "any of them", choices=tuple(SOLVERS)
  )
  steps: tuple[int, ...] = option((1, 2, 3, 5, 8, 15, 25), "any numbers")
  metric_weights: str | None = option(
    None, "LPIPS, if not installed", metavar="DIR"
  )
  seed: int = option(0, "of the noise")

  def __post_init__(self) -> None:
    if self.scenes < 1 or min(self.steps, default=0) < 1:
      raise InputError(
        f"--scenes {self.scenes}, --steps {list(self.steps)}: must be at"
        " least 1"
      )
    if not self.solvers:
      raise InputError("--solvers: none given; name at least one")


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


def run(
  scenetok: SceneTok, options: QualitySpeedOptions, tell: Tell = print
) -> Findings:
  """Scores and costs by solver and steps, and the loss of each storage."""
  lpips = _lpips(options.metric_weights)
  with placement.on_devices(scenetok, options.scenes) as scenetok:
    key = jax.random.key(options.seed)
    bench = prepare(scenetok, options)
    rows = _curves(scenetok, bench, key, options, lpips, tell)
    storage = storages(scenetok, bench, key)
  baseline = scores(bench, bench.mean_view)
  result = {
    "scenes": len(bench.tokens),
    "frames": int(bench.novel.sum()),
    "checkpoint_step": scenetok.step,
    "device": jax.devices()[0].device_kind,
    "mean_view_psnr": baseline["psnr"],
    "rows": rows,
    "storage": storage,
  }
  tell(f"mean view: {baseline['psnr']:.3f} dB")
  for name, row in storage.items():
    tell(
      f"tokens as {name:<9}{row['bytes']:>8} bytes {row['psnr']:8.3f} dB"
      f" ({row['loss_db']:+.4f} dB lost)"
    )
  plot = functools.partial(quality_speed_plot.plot, result=result)
  return Findings("quality_speed", result, {"quality_speed.png": plot})


def _lpips(weights: str | None) -> LoadedMetric | None:
  """LPIPS where its weights are at hand; says so where they are not."""
  reason = missing("lpips", weights)
  if reason is None:
    return load_metric("lpips", weights)
  if weights is not None:
    raise InputError(reason)
  print(f"without LPIPS: {reason}", file=sys.stderr)
  return None


def _curves(
  scenetok: SceneTok,
  bench: Benchmark,
  key: Array,
  options: QualitySpeedOptions,
  lpips: LoadedMetric | None,
  tell: Tell,
) -> list[dict[str, Any]]:
  """One row per solver and number of steps."""
  rows: list[dict[str, Any]] = []
  videos: list[np.ndarray] = []
  own = rendering.run_options(scenetok)
  for solver in options.solvers:
    settings = dataclasses.replace(own, solver=solver)
    program = video_program(scenetok.model, settings)
    render_with = functools.partial(
      render, scenetok, program, bench, bench.tokens, key
    )
    # The first one compiles.
    render_with(dataclasses.replace(settings, steps=options.steps[0]))
    for count in options.steps:
      video, cost = render_with(dataclasses.replace(settings, steps=count))
      row = {"solver": solver, "steps": count, **cost}
      rows.append(row | scores(bench, video, lpips))
      videos.append(video)
      tell(_line(rows[-1]))
  found = agreements(rows, videos)
  for row, agreement in zip(rows, found, strict=True):
    row["agreement_psnr"] = agreement
  return rows


def _line(row: dict[str, Any]) -> str:
  lpips = f"  LPIPS {row['lpips']:.4f}" if "lpips" in row else ""
  return (
    f"{row['solver']:<6}{row['steps']:>4} steps {row['evaluations']:>4}"
    f" evaluations {row['psnr']:8.3f} dB  SSIM {row['ssim']:.4f}{lpips}"
    f" {row['seconds']:8.2f} s"
  )


def prepare(scenetok: SceneTok, options: QualitySpeedOptions) -> Benchmark:
  """Encodes the first scenes and cuts them to one length."""
  opened = [
    scenes.open_prepared(scenetok, options.data, options.split, str(i))
    for i in range(options.scenes)
  ]
  key = jax.random.key(0)
  tokens = [scenes.encode_scene(scenetok, s, key) for s in opened]
  length = min(len(scene.clip.cameras.extrinsics) for scene in opened)
  codec = scenetok.model.target_codec
  length = codec.frames(codec.latents(min(length, options.frames or length)))
  numbers = np.arange(length)
  targets = [scene.take(numbers) for scene in opened]
  cameras = [
    relative_to(target.cameras, scene.reference)
    for scene, target in zip(opened, targets, strict=True)
  ]
  return Benchmark(
    jnp.concatenate(tokens),
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
  options = rendering.run_options(scenetok)
  program = video_program(scenetok.model, options)
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
