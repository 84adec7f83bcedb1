"""Results of all scenes: every process scores its share of the batches.

What a store holds already is not computed again.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation.batches import EvaluationBatch, shares
from scenetok_jax.evaluation.evaluator import EvaluationOptions, Predictor
from scenetok_jax.evaluation.generation import Generation
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.scores import (
  SceneResult,
  generated_result,
  rendered_result,
)
from scenetok_jax.evaluation.sheets import generated_sheet, prediction_sheet
from scenetok_jax.evaluation.store import ResultStore, gather
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.parallel.placement import shard_batch
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.options import GenerateOptions
from scenetok_jax.sampling.scene_file import codec_digest
from scenetok_jax.types import InputError

# A scene's result, and its contact sheet uint8 [H W 3].
Scored = tuple[SceneResult, np.ndarray]
ScoreBatch = Callable[[EvaluationBatch], Iterable[Scored]]


def identity(
  scenetok: SceneTok,
  plan: EvaluationPlan,
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


def reconstruction_scorer(
  scenetok: SceneTok, options: EvaluationOptions, loaded: LoadedMetrics
) -> ScoreBatch:
  """Renders encoded scenes and scores them."""
  predictor = Predictor(scenetok.model, scenetok.params, options, shard_batch)

  def score(batch: EvaluationBatch) -> Iterator[Scored]:
    for prediction in predictor(batch):
      scored = rendered_result(prediction, loaded.functions)
      yield scored, prediction_sheet(prediction)

  return score


def generation_scorer(
  scenetok: SceneTok, options: EvaluationOptions, loaded: LoadedMetrics
) -> ScoreBatch:
  """Generates scenes from given views and keeps what their sets need."""
  program = Generation(
    scenetok.model,
    scenetok.params,
    options,
    GenerateOptions.of(scenetok.config.generation),
    scenetok.config.generation.anchors,
    shard_batch,
  )

  def score(batch: EvaluationBatch) -> Iterator[Scored]:
    for generated in program(batch):
      scored = generated_result(generated, loaded.functions)
      yield scored, generated_sheet(generated)

  return score


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


def score_batches(
  batches: Sequence[EvaluationBatch],
  score: ScoreBatch,
  store: ResultStore | None,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[SceneResult]:
  """The results of some batches.

  A batch of which a scene is missing is computed again as a whole, so that
  every scene is always rendered in the same company.

  Args:
    batches: of this process.
    score: gives the result and the picture of each scene of a batch.
    store: where results are kept, None to keep none.
    progress: told how many more scenes are done.
  """
  for batch in batches:
    keys = [source.key for source in batch.scenes]
    found = {key: store.read(key) if store else None for key in keys}
    done = {key: result for key, result in found.items() if result}
    if len(done) < len(keys):
      start = time.monotonic()
      for result, picture in score(batch):
        # Shares of the batch, in the order in which scenes are finished.
        spent = time.monotonic() - start
        start += spent
        result = dataclasses.replace(result, total_seconds=spent)
        if result.key not in done:
          done[result.key] = result
          if store:
            store.write(result, picture)
    yield from (done[key] for key in keys)
    progress(len(keys))


def all_results(
  batches: Sequence[EvaluationBatch],
  score: ScoreBatch,
  store: ResultStore | None,
) -> list[SceneResult]:
  """Every scene's result, in every process; each does its share."""
  index, count = jax.process_index(), jax.process_count()
  own = shares(batches, index, count)
  total = sum(len(batch.scenes) for batch in own)
  with console.Progress("scenes", total, "scene") as progress:
    results = list(score_batches(own, score, store, progress.update))
  rounds = max(
    sum(len(batch.scenes) for batch in shares(batches, i, count))
    for i in range(count)
  )
  return gather(results, rounds)
