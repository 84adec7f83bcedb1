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
from scenetok_jax.evaluation.batches import EvaluationBatch
from scenetok_jax.evaluation.consistency import video_scores
from scenetok_jax.evaluation.evaluator import EvaluationOptions, reconstruction
from scenetok_jax.evaluation.generation import generation
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.scores import SceneResult, scene_result
from scenetok_jax.evaluation.sheets import prediction_sheet
from scenetok_jax.evaluation.store import ResultStore, gather
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.parallel.rules import shard_batch
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
  sampling = dataclasses.asdict(options)
  if protocol.generation:
    generate, anchors = _generation(scenetok)
    sampling["generation"] = {
      **dataclasses.asdict(generate),
      "anchors": anchors,
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


def _generation(scenetok: SceneTok) -> tuple[GenerateOptions, int]:
  """How tokens are generated, and how many anchors they have.

  Raises:
    InputError: a stage-1 run.
  """
  if scenetok.model.generator is None:
    raise InputError(
      f"--workdir: config.stage: {scenetok.config.stage}; generating needs a"
      " stage-2 workdir (config.stage=generator)"
    )
  settings = scenetok.config.generation
  return GenerateOptions.of(settings), settings.anchors


def scorer(
  scenetok: SceneTok,
  options: EvaluationOptions,
  loaded: LoadedMetrics,
  *,
  generated: bool,
) -> ScoreBatch:
  """Renders encoded scenes or generates new ones, and scores them."""
  model, params = scenetok.model, scenetok.params
  if generated:
    generate, anchors = _generation(scenetok)
    predict = generation(model, params, options, generate, anchors, shard_batch)
  else:
    predict = reconstruction(model, params, options, shard_batch)

  def score(batch: EvaluationBatch) -> Iterator[Scored]:
    for prediction in predict(batch):
      result = scene_result(prediction, loaded.functions)
      scores = {**result.scores, **video_scores(prediction, loaded.functions)}
      result = dataclasses.replace(result, scores=scores)
      yield result, prediction_sheet(prediction)

  return score


def score_batches(
  batches: Sequence[EvaluationBatch],
  score: ScoreBatch,
  store: ResultStore | None,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[SceneResult]:
  """The results of some batches.

  A batch of which a scene is missing is computed again as a whole, so that
  every scene is always rendered in the same company. store: keeps results.
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
  count = jax.process_count()
  shares = [batches[index::count] for index in range(count)]
  scenes = [sum(len(batch.scenes) for batch in share) for share in shares]
  index = jax.process_index()
  with console.Progress("scenes", scenes[index], "scene") as progress:
    results = list(score_batches(shares[index], score, store, progress.update))
  return gather(results, max(scenes))
