"""What an evaluation reports: numbers, and what was compared with what."""

import os
from pathlib import Path
from typing import Any

from scenetok_jax.evaluation.measures import (
  OTHER_POSES,
  REAL,
  SAMPLED,
  image_key,
  measures,
)
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.results import shortcomings
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import write_json
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.metrics.registry import of_kind
from scenetok_jax.sampling.digest import digest


def described(
  known: dict[str, Any],
  plan: EvaluationPlan,
  loaded: LoadedMetrics,
  scenetok: SceneTok,
  protocol: Protocol,
) -> dict[str, Any]:
  """What was compared with what."""
  tokenizer = scenetok.model.tokenizer
  hashes = {}
  if protocol.generation:
    hashes = {
      "generator_sha256": digest(scenetok.params["generator"]),
      "tokenizer_sha256": scenetok.digest,
    }
  return {
    "protocol": protocol.name,
    "generation": protocol.generation,
    "index_file": plan.index_file,
    "index_sha256": plan.index_sha256,
    "index_scenes": plan.listed,
    "index_scenes_published": protocol.scenes,
    "missing_scenes": list(plan.missing),
    "context_views": sorted({source.views for source in plan.sources}),
    "checkpoint_step": scenetok.step,
    "checkpoint_sha256": known["checkpoint_sha256"],
    **hashes,
    "representation_floats": tokenizer.num_tokens * tokenizer.token_channels,
    "codecs": {
      part: f"{scenetok.config.codecs[part].name} {known['codecs'][part][:16]}"
      for part in ("context", "target")
    },
    "options": known["options"],
    "metric_weights": loaded.weights,
    "missing_metrics": loaded.missing,
  }


def write(file: str | Path, report: dict[str, Any]) -> None:
  """The report as JSON; its pictures are named relative to the file."""
  folder = Path(file).parent
  pictures = {
    key: os.path.relpath(picture, folder)
    for key, picture in report["pictures"].items()
  }
  write_json(file, {**report, "pictures": pictures})


def table(report: dict[str, Any]) -> str:
  """Scores per scene, their means and intervals, as text."""
  known = measures()
  # Scores that every scene has, baselines behind them.
  names = [metric.name for metric in of_kind("image")]
  names[1:1] = ("novel_psnr", "one_step_psnr")
  for metric in of_kind("video", "posed_video"):
    whose = (SAMPLED, REAL, OTHER_POSES)
    names += [image_key(metric.name, who) for who in whose]
  names += ("nearest_view_psnr", "mean_view_psnr", "codec_ceiling_psnr")
  columns = [name for name in names if name in report]
  short = [name.removesuffix("_psnr") for name in columns]
  width = 1 + max([13, *map(len, short)])
  lines = [f"{'scene':<24}" + "".join(f"{name:>{width}}" for name in short)]

  def line(name: str, row: dict[str, Any]) -> str:
    cells = (row.get(column) for column in columns)
    return f"{name[:23]:<24}" + "".join(
      f"{'-':>{width}}" if cell is None else f"{cell:>{width}.3f}"
      for cell in cells
    )

  lines += [line(key, row) for key, row in report["per_scene"].items()]
  intervals = report["confidence_intervals"]
  lines.append(line("mean", report))
  # One scene has no spread: its resamples are all the same.
  sides = ("low", "high") if report["scenes"] > 1 else ()
  for side, name in enumerate(sides):
    ends = {key: ends[side] for key, ends in intervals.items()}
    lines.append(line(f"95 % interval, {name}", ends))
  for name in sorted(intervals):
    if name in known and known[name].is_set:
      low, high = intervals[name]
      spread = f" (95 %: {low:.3f} to {high:.3f})" if sides else ""
      lines.append(f"{name}: {report[name]:.3f}{spread}")
  gap = report.get("conditioning_gap_db")
  if gap is not None:
    lines.append(f"the right scene's tokens beat another's by {gap:+.2f} dB")
  return "\n".join(lines + _notes(report))


def _notes(report: dict[str, Any]) -> list[str]:
  """What the numbers are of, and what is not among them."""
  lines = [
    f"{report['scenes']} scenes, {report['frames']} frames;"
    f" {report['representation_floats']} floats a scene;"
    f" {report['seconds_per_scene']:.2f} s a scene",
    f"checkpoint {report['checkpoint_sha256'][:12]} step"
    f" {report['checkpoint_step']}; index {report['index_file'] or 'by rule'}"
    f" {report['index_sha256'][:12]}",
  ]
  if report["generation"]:
    lines.append(
      f"generator {report['generator_sha256'][:12]}, tokenizer and renderer"
      f" {report['tokenizer_sha256'][:12]}"
    )
  impossible = report["impossible_metrics"].items()
  reasons = [f"{name}: {reason}" for name, reason in impossible]
  reasons = [*report["missing_metrics"].values(), *reasons]
  reasons = [f"not computed: {reason}" for reason in reasons]
  return [*lines, *shortcomings(report), *reasons]
