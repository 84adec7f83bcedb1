"""What an evaluation reports: numbers, and what was compared with what."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from scenetok_jax.evaluation.evaluator import EvaluationOptions
from scenetok_jax.evaluation.measures import CEILING, image_key, measures
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.results import shortcomings
from scenetok_jax.evaluation.table_text import fill
from scenetok_jax.inference.changes import GenerationChanges, generate_options
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import write_json
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.metrics.registry import METRICS
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.scene_file import codec_digest


def identity(
  scenetok: SceneTok,
  plan: EvaluationPlan,
  options: EvaluationOptions,
  loaded: LoadedMetrics,
  protocol: Protocol,
) -> dict[str, Any]:
  """All that a scene's result depends on, as JSON values."""
  sampling = dataclasses.asdict(options)
  if protocol.generation:
    sampling["generation"] = {
      **dataclasses.asdict(generate_options(scenetok, GenerationChanges())),
      "anchors": scenetok.config.generation.anchors,
    }
  return {
    "format": 3,
    "protocol": protocol.name,
    "checkpoint_sha256": digest(scenetok.params),
    "checkpoint_step": scenetok.step,
    "codecs": {
      "context": codec_digest(scenetok.model.context_codec),
      "target": codec_digest(scenetok.model.target_codec),
    },
    "index_sha256": plan.index_sha256,
    "scenes": [[source.key, source.identity] for source in plan.sources],
    "options": sampling,
    "metrics": {
      name: {k: v for k, v in net.items() if k != "source"}
      for name, net in loaded.weights.items()
    },
  }


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
  # What scenes have scores of; of the ceilings PSNR alone.
  scored = {name for row in report["per_scene"].values() for name in row}
  scored -= {image_key(name, CEILING) for name in METRICS if name != "psnr"}
  columns = [name for name in known if name in scored]
  longest = max([13, *(len(name.removesuffix("_psnr")) for name in columns)])
  intervals = sorted(report["confidence_intervals"])
  sets = [name for name in intervals if name in known and known[name].is_set]
  values = {"columns": columns, "width": 1 + longest, "sets": sets}
  values |= {"report": report, "shortcomings": shortcomings(report)}
  return fill("report.txt", **values).rstrip()
