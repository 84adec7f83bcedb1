"""The work of an evaluation: every process does its share of the batches."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from scenetok_jax import console
from scenetok_jax.evaluation import store
from scenetok_jax.evaluation.batches import Batch, shares
from scenetok_jax.evaluation.evaluator import EvaluationOptions, Predictor
from scenetok_jax.evaluation.generation import Generation
from scenetok_jax.evaluation.plan import Plan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.scores import generated_result
from scenetok_jax.evaluation.scores import result as scene_result
from scenetok_jax.evaluation.sheets import generated_sheet, prediction_sheet
from scenetok_jax.evaluation.store import Store
from scenetok_jax.evaluation.work import Compute, Outcome, work
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.parallel.placement import shard_batch
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.generate import GenerateOptions
from scenetok_jax.sampling.scene_file import codec_digest
from scenetok_jax.types import InputError


def identity(
  scenetok: SceneTok,
  plan: Plan,
  options: EvaluationOptions,
  loaded: LoadedMetrics,
  protocol: Protocol,
) -> dict[str, Any]:
  """All that a scene's result depends on, as JSON values."""
  return {
    "format": 2,
    "protocol": protocol.name,
    "checkpoint_sha256": digest(scenetok.params),
    "checkpoint_step": scenetok.step,
    "codecs": {
      "context": codec_digest(scenetok.model.context_codec),
      "target": codec_digest(scenetok.model.target_codec),
    },
    "index_sha256": plan.index_sha256,
    "scenes": [[source.key, source.identity] for source in plan.sources],
    "options": {
      **dataclasses.asdict(options),
      **({"generation": _generation(scenetok)} if protocol.generation else {}),
    },
    "metrics": {
      name: {k: v for k, v in net.items() if k != "source"}
      for name, net in loaded.weights.items()
    },
  }


def reconstruction(
  scenetok: SceneTok, options: EvaluationOptions, loaded: LoadedMetrics
) -> Compute:
  """Renders encoded scenes and scores them."""
  predictor = Predictor(scenetok.model, scenetok.params, options, shard_batch)

  def compute(batch: Batch) -> Iterator[Outcome]:
    for prediction in predictor(batch):
      scored = scene_result(prediction, loaded.functions)
      yield scored, prediction_sheet(prediction)

  return compute


def generation(
  scenetok: SceneTok, options: EvaluationOptions, loaded: LoadedMetrics
) -> Compute:
  """Generates scenes from given views and keeps what their sets need."""
  program = Generation(
    scenetok.model,
    scenetok.params,
    options,
    GenerateOptions.of(scenetok.config.generation),
    scenetok.config.generation.anchors,
    shard_batch,
  )

  def compute(batch: Batch) -> Iterator[Outcome]:
    for generated in program(batch):
      scored = generated_result(generated, loaded.functions)
      yield scored, generated_sheet(generated)

  return compute


def _generation(scenetok: SceneTok) -> dict[str, Any]:
  """How tokens are generated; InputError for a stage-1 run."""
  if scenetok.model.generator is None:
    raise InputError(
      f"--workdir: config.stage: {scenetok.config.stage}; generating needs a"
      " stage-2 workdir (config.stage=generator)"
    )
  options = GenerateOptions.of(scenetok.config.generation)
  anchors = scenetok.config.generation.anchors
  return {**dataclasses.asdict(options), "anchors": anchors}


def all_results(
  jobs: Sequence[Batch], compute: Compute, kept: Store | None
) -> list[store.SceneResult]:
  """Every scene's result, in every process; each does its share."""
  index, count = jax.process_index(), jax.process_count()
  own = shares(jobs, index, count)
  total = sum(len(batch.scenes) for batch in own)
  with console.Progress("scenes", total, "scene") as progress:
    results = list(work(own, compute, kept, progress.update))
  rounds = max(
    sum(len(batch.scenes) for batch in shares(jobs, i, count))
    for i in range(count)
  )
  return store.gather(results, rounds)
