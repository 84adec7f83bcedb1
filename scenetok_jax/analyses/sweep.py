"""Variance of samples at several levels of one condition."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from scenetok_jax.analyses import plots
from scenetok_jax.analyses.findings import Findings, Tell, outcome
from scenetok_jax.analyses.novel_views import NovelViews, scene_psnr
from scenetok_jax.analyses.options import SampleOptions
from scenetok_jax.analyses.sampler import (
  EncodedScenes,
  VideoSampler,
  sample_variance,
)
from scenetok_jax.analyses.trends import trend
from scenetok_jax.media import colorize, contact_sheet
from scenetok_jax.reading.schema import Some
from scenetok_jax.types import InputError, option

SHOWN = 6  # frames in a row of a sheet of maps


@dataclasses.dataclass(frozen=True)
class SweepOptions(SampleOptions):
  """Of an analysis over levels."""

  sheets: Some = option(2, "scenes with a sheet of maps")


@dataclasses.dataclass(frozen=True)
class Level:
  """One level: the scenes as they are encoded there."""

  value: float
  label: str
  encoded: EncodedScenes


@dataclasses.dataclass(frozen=True)
class Sweep:
  """variance, psnr: [B K] of B scenes at K levels.

  first: of each level the first sample [B T H W 3]; maps: deviation over
  samples [B T H W] of images in [0, 1]. step: of the checkpoint.
  """

  views: NovelViews
  levels: Sequence[Level]
  variance: np.ndarray
  psnr: np.ndarray
  first: list[np.ndarray]
  maps: list[np.ndarray]
  step: int


def check_levels(option: str, values: Sequence[float]) -> None:
  """InputError, before anything is rendered, on too few for a correlation."""
  if len(set(values)) < 3:
    raise InputError(
      f"{option}: {len(set(values))} distinct levels show no trend; give at"
      " least 3"
    )


def run_levels(
  views: NovelViews, sampler: VideoSampler, levels: Sequence[Level]
) -> Sweep:
  """Renders all levels with the same noise."""
  variance, scores, first, maps = [], [], [], []
  cameras = views.cameras
  with sampler.progress("samples", views, len(levels)) as progress:
    for level in levels:
      videos = sampler(level.encoded, cameras, progress.update)
      found = sample_variance(videos)
      variance.append(found.mean(axis=(1, 2, 3)))
      scores.append(scene_psnr(videos, views.truth))
      first.append(videos[:, 0])
      maps.append(np.sqrt(found))
  return Sweep(
    views,
    levels,
    np.stack(variance, axis=1),
    np.stack(scores, axis=1),
    first,
    maps,
    sampler.scenetok.step,
  )


def findings(
  name: str,
  sweep: Sweep,
  options: SweepOptions,
  claim: str,
  *,
  sign: int,
  label: str,
  tell: Tell,
) -> Findings:
  """The table and whether the variance rises (sign 1) or falls (-1).

  label: of the levels' axis.
  """
  views, levels = sweep.views, sweep.levels
  values = [level.value for level in levels]
  found = trend(claim, values, sweep.variance, sign)
  for i, level in enumerate(levels):
    tell(
      f"{level.label:<24} variance {sweep.variance[:, i].mean():.6f}"
      f"   PSNR {sweep.psnr[:, i].mean():7.3f} dB"
    )
  tell(found.line())
  return Findings(
    name,
    {
      "finding": dataclasses.asdict(found),
      "checkpoint_step": sweep.step,
      "frames": views.frames,
      "levels": [
        {
          "value": level.value,
          "label": level.label,
          "variance": sweep.variance[:, i].mean(),
          "psnr": sweep.psnr[:, i].mean(),
        }
        for i, level in enumerate(levels)
      ],
      "per_scene": {
        key: {"variance": sweep.variance[i], "psnr": sweep.psnr[i]}
        for i, key in enumerate(views.keys)
      },
    },
    plots={
      f"{name}.png": functools.partial(
        plots.curves,
        label=label,
        levels=values,
        panels={
          "variance of samples": sweep.variance,
          plots.metric_label("psnr", " of samples"): sweep.psnr,
        },
        title=outcome(claim, found.holds),
      )
    },
    pictures={
      f"{name}_maps_{key}.png": maps_sheet(sweep, i)
      for i, key in enumerate(views.keys[: options.sheets])
    },
  )


def maps_sheet(sweep: Sweep, scene: int) -> np.ndarray:
  """Truth, and for every level a sample over its deviation: [H W 3].

  The brightest colour is the same deviation at every level.
  """
  views = sweep.views
  top = max(float(maps[scene].max()) for maps in sweep.maps)
  rows = [(f"{views.keys[scene]}: truth", views.truth[scene])]
  for i, level in enumerate(sweep.levels):
    rows.append((level.label, sweep.first[i][scene]))
    deviation = colorize(sweep.maps[i][scene], high=top)
    value = sweep.variance[scene, i]
    rows.append((f"deviation, variance {value:.5f}", deviation))
  return contact_sheet(rows, columns=SHOWN)
