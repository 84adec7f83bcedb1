"""Renderings that reuse steps (flow.caching): what they cost and bring."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.analyses import rendering_benchmark
from scenetok_jax.analyses.findings import Tell
from scenetok_jax.analyses.rendering_benchmark import Benchmark
from scenetok_jax.flow.caching import reused_steps
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.loading import LoadedMetric
from scenetok_jax.sampling import step_cache
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.video import VideoProgram, begin
from scenetok_jax.types import Array, Cameras


class Caching(NamedTuple):
  """values: as JSON. files: by name, what writes a schedule to a path."""

  values: dict[str, Any]
  files: dict[str, Callable[[Path], None]]


def residual_ratios(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  key: Array,
  options: RenderOptions,
) -> np.ndarray:
  """[S]: the size of each step's residual by that of the step before.

  Of the first window of a video; the first ratio is 1. Means over scenes,
  latents and tokens. Arguments as for sampling.video.render_video.
  """
  plain = dataclasses.replace(options, reuse=(False,) * options.steps)
  frames = program.model.target_codec.frames(options.window)
  window = jax.tree.map(lambda a: a[:, :frames], cameras)
  begun = begin(program, params, tokens, window, key, 1, plain)
  state, before, ratios = begun.state, None, [1.0]
  for step in range(options.steps):
    state = begun.run(state, step, step + 1)
    size = jnp.linalg.norm(state.residual, axis=-1)
    if before is not None:
      ratios.append(float(jnp.mean(size / jnp.maximum(before, 1e-12))))
    before = size
  return np.array(ratios)


def curves(
  scenetok: SceneTok,
  bench: Benchmark,
  key: Array,
  errors: Sequence[float],
  lpips: LoadedMetric | None,
  tell: Tell,
) -> Caching:
  """One row per error, of the run's own solver and steps, and one without.

  Raises InputError: the run's sampling cannot reuse steps.
  """
  if not errors:
    return Caching({}, {})
  own = RenderOptions.of(scenetok.config.sampling)
  step_cache.check(own, scenetok.model.decoder, "--cache")
  program = VideoProgram(scenetok.model, own)
  ratios = residual_ratios(
    *(program, scenetok.params, bench.tokens, bench.cameras, key, own)
  )
  rows: list[dict[str, Any]] = []
  videos: list[np.ndarray] = []
  files: dict[str, Callable[[Path], None]] = {}
  for error in (0.0, *errors):
    reuse = reused_steps(ratios, error)
    if error:
      name = f"cache_{error:g}.json"
      files[name] = functools.partial(step_cache.save, options=own, reuse=reuse)
    options = dataclasses.replace(own, reuse=tuple(reuse.tolist()))
    render = functools.partial(
      rendering_benchmark.render,
      *(scenetok, program, bench, bench.tokens, key, options),
    )
    if not rows:
      render()  # compiles
    video, cost = render()
    computed = int((~reuse).sum())
    scores = rendering_benchmark.scores(bench, video, lpips)
    rows.append({"error": error, **cost, "evaluations": computed, **scores})
    videos.append(video)
    tell(
      f"error {error:<6g} {computed:>3} of {own.steps} steps computed"
      f" {rows[-1]['psnr']:8.3f} dB {cost['seconds']:8.2f} s"
    )
  agreements = rendering_benchmark.agreements(rows, videos)
  for row, agreement in zip(rows, agreements, strict=True):
    row["agreement_psnr"] = agreement
  return Caching({"ratios": ratios.tolist(), "rows": rows}, files)
