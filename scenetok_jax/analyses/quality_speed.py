"""Quality against speed: what solvers and step counts cost and bring."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from scenetok_jax.analyses import (
  quality_speed_plot,
  rendering_benchmark,
  step_caching,
)
from scenetok_jax.analyses.findings import Findings, Tell
from scenetok_jax.analyses.options import DataOptions
from scenetok_jax.analyses.rendering_benchmark import Benchmark
from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.loading import LoadedMetric, load_metric, missing
from scenetok_jax.reading.schema import Few, Many, Ratio, Seed
from scenetok_jax.reading.shown import remark, say
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.video import VideoProgram
from scenetok_jax.types import Array, InputError, option


@dataclasses.dataclass(frozen=True)
class QualitySpeedOptions(DataOptions):
  """Every solver is run with every number of steps."""

  scenes: Many = option(8, "the first so many scenes")
  frames: Few | None = option(None, "only the first so many frames of each")
  solvers: tuple[str, ...] = option(
    tuple(SOLVERS), "any of them", choices=tuple(SOLVERS)
  )
  steps: tuple[Few, ...] = option((1, 2, 3, 5, 8, 15, 25), "any numbers")
  metric_weights: str | None = option(
    None, "LPIPS, if not installed", metavar="DIR"
  )
  cache: tuple[Ratio, ...] = option(
    (),
    "MagCache: render again with steps reused up to these errors, and write"
    " cache_ERROR.json for `render --cache`",
  )
  seed: Seed = option(0, "of the noise")

  def __post_init__(self) -> None:
    if self.scenes < 1 or min(self.steps, default=0) < 1:
      raise InputError(
        f"--scenes {self.scenes}, --steps {list(self.steps)}: must be at"
        " least 1"
      )
    if not self.solvers:
      raise InputError("--solvers: none given; name at least one")


def run(
  scenetok: SceneTok, options: QualitySpeedOptions, tell: Tell = say
) -> Findings:
  """Scores and costs by solver and steps, and the loss of each storage."""
  lpips = _lpips(options.metric_weights)
  with scenetok.placed(options.scenes) as scenetok:
    key = jax.random.key(options.seed)
    bench = rendering_benchmark.prepare(
      scenetok, options.data, options.split, options.scenes, options.frames
    )
    rows = _curves(scenetok, bench, key, options, lpips, tell)
    caching = step_caching.curves(
      scenetok, bench, key, options.cache, lpips, tell
    )
    storage = rendering_benchmark.storages(scenetok, bench, key)
  baseline = rendering_benchmark.scores(bench, bench.mean_view)
  result = {
    "scenes": len(bench.tokens),
    "frames": int(bench.novel.sum()),
    "checkpoint_step": scenetok.step,
    "device": jax.devices()[0].device_kind,
    "mean_view_psnr": baseline["psnr"],
    "rows": rows,
    "storage": storage,
    **({"cache": caching.values} if options.cache else {}),
  }
  tell(f"mean view: {baseline['psnr']:.3f} dB")
  for name, row in storage.items():
    tell(
      f"tokens as {name:<9}{row['bytes']:>8} bytes {row['psnr']:8.3f} dB"
      f" ({row['loss_db']:+.4f} dB lost)"
    )
  plot = functools.partial(quality_speed_plot.plot, result=result)
  files = caching.files | {"quality_speed.png": plot}
  return Findings("quality_speed", result, files)


def _lpips(weights: str | None) -> LoadedMetric | None:
  """LPIPS where its weights are at hand; says so where they are not."""
  reason = missing("lpips", weights)
  if reason is None:
    return load_metric("lpips", weights)
  if weights is not None:
    raise InputError(reason)
  remark(f"without LPIPS: {reason}")
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
  own = RenderOptions.of(scenetok.config.sampling)
  for solver in options.solvers:
    settings = dataclasses.replace(own, solver=solver)
    program = VideoProgram(scenetok.model, settings)
    render_with = functools.partial(
      rendering_benchmark.render, scenetok, program, bench, bench.tokens, key
    )
    # The first one compiles.
    render_with(dataclasses.replace(settings, steps=options.steps[0]))
    for count in options.steps:
      video, cost = render_with(dataclasses.replace(settings, steps=count))
      row = {"solver": solver, "steps": count, **cost}
      rows.append(row | rendering_benchmark.scores(bench, video, lpips))
      videos.append(video)
      tell(_line(rows[-1]))
  found = rendering_benchmark.agreements(rows, videos)
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
