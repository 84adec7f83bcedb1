"""Variance of samples at several levels of one condition."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import plots, study
from scenetok_jax.analyses.ablation import Finding, monotone, sample_variance
from scenetok_jax.analyses.study import Renderer, Study
from scenetok_jax.media import colorize, contact_sheet, write_png
from scenetok_jax.types import Array, InputError

SHOWN = 6  # frames in a row of a sheet of maps


@dataclasses.dataclass(frozen=True)
class Level:
  """One level: tokens [B N C] relative to references [B 4 4]."""

  value: float
  label: str
  tokens: Array
  references: np.ndarray


@dataclasses.dataclass(frozen=True)
class Sweep:
  """values: levels [K]. variance, psnr: [B K] of B scenes.

  first: of each level the first sample [B T H W 3]; maps: deviation over
  samples [B T H W] of images in [0, 1].
  """

  levels: Sequence[Level]
  variance: np.ndarray
  psnr: np.ndarray
  first: list[np.ndarray]
  maps: list[np.ndarray]

  @property
  def values(self) -> list[float]:
    return [level.value for level in self.levels]


def check_levels(option: str, values: Sequence[float]) -> None:
  """InputError, before anything is rendered, on too few for a correlation."""
  if len(set(values)) < 3:
    raise InputError(
      f"{option}: {len(set(values))} distinct levels show no trend; give at"
      " least 3"
    )


def run_levels(
  study_: Study, renderer: Renderer, levels: Sequence[Level]
) -> Sweep:
  """Renders all levels with the same noise."""
  variance, scores, first, maps = [], [], [], []
  cameras = study_.cameras
  calls = study.batches(len(study_.scenes), renderer.batch) * len(levels)
  total = calls * renderer.steps(study_.frames.shape[1])
  with console.Progress("samples", total, "step") as progress:
    for level in levels:
      videos = renderer(
        level.tokens, level.references, cameras, progress.update
      )
      found = sample_variance(videos)
      variance.append(found.mean(axis=(1, 2, 3)))
      scores.append(study.psnr_to(videos, study_.truth))
      first.append(videos[:, 0])
      maps.append(np.sqrt(found))
  return Sweep(
    levels, np.stack(variance, axis=1), np.stack(scores, axis=1), first, maps
  )


def report(
  sweep: Sweep,
  study_: Study,
  claim: str,
  sign: int,
  label: str,
  kind: str,
  args: argparse.Namespace,
  out: Path,
) -> None:
  """Prints the table and finding; writes JSON, plot and maps."""
  finding = monotone(claim, sweep.values, sweep.variance, sign)
  for i, level in enumerate(sweep.levels):
    print(
      f"{level.label:<24} variance {sweep.variance[:, i].mean():.6f}"
      f"   PSNR {sweep.psnr[:, i].mean():7.3f} dB"
    )
  print(finding.line())
  plots.curves(
    out / f"{kind}.png",
    label,
    sweep.values,
    {
      "variance of samples": sweep.variance,
      "PSNR of samples, dB": sweep.psnr,
    },
    finding.line().split(": ", 1)[1].split(" (")[0],
  )
  for i in range(min(args.sheets, len(study_.scenes))):
    name = f"{kind}_maps_{study_.scenes[i].key}.png"
    write_png(out / name, maps_sheet(sweep, study_, i))
  study.write(out, kind, {**result(sweep, study_, finding)}, args)


def result(sweep: Sweep, study_: Study, finding: Finding) -> dict[str, Any]:
  """Everything as JSON values."""
  return {
    "finding": dataclasses.asdict(finding),
    "checkpoint_step": study_.scenetok.step,
    "frames": study_.frames,
    "levels": [
      {
        "value": level.value,
        "label": level.label,
        "variance": sweep.variance[:, i].mean(),
        "psnr": sweep.psnr[:, i].mean(),
      }
      for i, level in enumerate(sweep.levels)
    ],
    "per_scene": {
      scene.key: {"variance": sweep.variance[i], "psnr": sweep.psnr[i]}
      for i, scene in enumerate(study_.scenes)
    },
  }


def maps_sheet(sweep: Sweep, study_: Study, scene: int) -> np.ndarray:
  """Truth, and for every level a sample over its deviation: [H W 3].

  The brightest colour is the same deviation at every level.
  """
  places = np.linspace(0, study_.frames.shape[1] - 1, SHOWN)
  shown = np.unique(places.astype(int))
  top = max(float(maps[scene].max()) for maps in sweep.maps)
  rows = [(f"{study_.scenes[scene].key}: truth", study_.truth[scene][shown])]
  for i, level in enumerate(sweep.levels):
    rows.append((level.label, sweep.first[i][scene][shown]))
    deviation = colorize(sweep.maps[i][scene][shown], high=top)
    value = sweep.variance[scene, i]
    rows.append((f"deviation, variance {value:.5f}", deviation))
  return contact_sheet(rows)
