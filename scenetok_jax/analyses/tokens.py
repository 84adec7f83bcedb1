"""How does quality grow with the number of scene tokens?

Every model is one row; --keep also renders each from some of its tokens
only, drawn at random and nested. A model trained with few tokens packs them
better than what is left of many, so the two answer different questions.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from scenetok_jax.analyses import plots
from scenetok_jax.analyses.findings import Findings, Tell, ends, verdict
from scenetok_jax.analyses.novel_views import (
  NovelViews,
  novel_views,
  scene_psnr,
  unit,
)
from scenetok_jax.analyses.options import FrameOptions
from scenetok_jax.analyses.sampler import VideoSampler, encode
from scenetok_jax.analyses.token_masks import mask_tokens
from scenetok_jax.analyses.trends import rank_correlation
from scenetok_jax.evaluation.bootstrap import mean_interval
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.image import ssim
from scenetok_jax.reading.schema import Some
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class TokensOptions(FrameOptions):
  """keep: numbers of tokens that each model is also rendered from."""

  keep: tuple[Some, ...] = option((), "also render with only so many")

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.keep and min(self.keep) < 1:
      raise InputError(f"--keep: {min(self.keep)} must be at least 1")


def run(
  models: Iterable[tuple[str, SceneTok]],
  options: TokensOptions,
  tell: Tell = say,
) -> Findings:
  """PSNR and SSIM by the number of tokens of named models.

  models: may be a generator, which opens one model at a time.
  """
  rows: list[dict[str, Any]] = []
  baseline = 0.0
  for name, scenetok in models:
    found, baseline = _rows(name, scenetok, options)
    del scenetok  # before the next one is opened
    for row in found:
      tell(_line(row))
    rows += found
  result: dict[str, Any] = {"rows": rows, "mean_view_psnr": baseline}
  tell(f"mean view: {baseline:.3f} dB")
  whole = [row for row in rows if row["tokens"] == row["trained_tokens"]]
  for kind, some in (("models", whole), ("subsets", rows)):
    counts = [row["tokens"] for row in some]
    if len(set(counts)) < 3:
      continue
    rank = rank_correlation(counts, [row["psnr"] for row in some])
    holds = rank.rho > 0.5
    result[f"{kind}_spearman"] = rank.rho
    result[f"{kind}_holds"] = holds
    claim = f"quality grows with tokens ({kind})"
    evidence = f"Spearman {rank.rho:+.3f} over {rank.pairs} rows"
    tell(verdict(claim, holds, evidence))
  return Findings("tokens", result, _plots(rows, whole, baseline, options))


def _rows(
  name: str, scenetok: SceneTok, options: TokensOptions
) -> tuple[list[dict[str, Any]], float]:
  """A row per number of tokens, and the mean view's PSNR."""
  trained = scenetok.model.tokenizer.num_tokens
  counts = sorted({n for n in options.keep if n < trained} | {trained})
  rows = []
  with scenetok.placed(options.batch) as scenetok:
    views = novel_views(scenetok, options)
    encoded = encode(scenetok, views.context, options.seed)
    sampler = VideoSampler.of(scenetok, options)
    cameras = views.cameras
    with sampler.progress(name, views, len(counts)) as progress:
      for count in counts:
        share = 1 - count / trained
        kept = mask_tokens(encoded.tokens, share, options.seed)
        videos = sampler(
          dataclasses.replace(encoded, tokens=kept), cameras, progress.update
        )
        rows.append(
          {
            "workdir": name,
            "tokens": count,
            "trained_tokens": trained,
            "floats": count * scenetok.model.tokenizer.token_channels,
            **_scores(views, videos),
          }
        )
  baseline = scene_psnr(views.mean_views()[:, None], views.truth)
  return rows, float(baseline.mean())


def _scores(views: NovelViews, videos: np.ndarray) -> dict[str, Any]:
  scores = views.by_scene(scene_psnr(videos, views.truth))
  interval = mean_interval(scores)
  return {
    "psnr": interval.value,
    "interval": ends(interval),
    "ssim": float(jnp.mean(ssim(unit(videos[:, 0]), unit(views.truth)))),
    "per_scene_psnr": scores,
  }


def _line(row: dict[str, Any]) -> str:
  low, high = row["interval"]
  return (
    f"{row['workdir']}: {row['tokens']:>5} of {row['trained_tokens']} tokens"
    f" ({row['floats']} floats): {row['psnr']:.3f} dB"
    f" (95 %: {low:.3f} to {high:.3f}), SSIM {row['ssim']:.4f}"
  )


def _plots(
  rows: list[dict[str, Any]],
  whole: list[dict[str, Any]],
  baseline: float,
  options: TokensOptions,
) -> dict[str, Any]:
  """Curves of the subsets of each model, and of the models."""
  series = {
    name: _curve([row for row in rows if row["workdir"] == name])
    for name in dict.fromkeys(row["workdir"] for row in rows)
    if options.keep
  }
  if len(whole) > 1:
    series["models"] = _curve(whole)
  draw = functools.partial(
    plots.lines,
    x_label="scene tokens",
    y_label=plots.metric_label("psnr"),
    series=series,
    log=True,
    level=("mean view", baseline),
  )
  return {"tokens.png": draw} if series else {}


def _curve(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
  rows = sorted(rows, key=lambda row: row["tokens"])
  return [row["tokens"] for row in rows], [row["psnr"] for row in rows]
