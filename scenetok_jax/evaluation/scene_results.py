"""Results of all scenes: every process scores its share of the batches.

What a store holds already is not computed again.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.evaluation import evaluator
from scenetok_jax.evaluation.batches import EvaluationBatch
from scenetok_jax.evaluation.generation import generation
from scenetok_jax.evaluation.measures import CEILING, SAMPLED
from scenetok_jax.evaluation.scores import SceneResult, scene_result
from scenetok_jax.evaluation.store import ResultStore, gather
from scenetok_jax.inference.changes import GenerationChanges, generate_options
from scenetok_jax.inference.pictures import columns
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import contact_sheet, error_map
from scenetok_jax.metrics.loading import LoadedMetrics
from scenetok_jax.parallel.rules import shard_batch

# A scene's result, and its contact sheet uint8 [H W 3].
Scored = tuple[SceneResult, np.ndarray]
ScoreBatch = Callable[[EvaluationBatch], Iterable[Scored]]


def scorer(
  scenetok: SceneTok,
  options: evaluator.EvaluationOptions,
  loaded: LoadedMetrics,
  *,
  generated: bool,
) -> ScoreBatch:
  """Renders encoded scenes or generates new ones, and scores them."""
  model, params = scenetok.model, scenetok.params
  if generated:
    generate = generate_options(scenetok, GenerationChanges())
    anchors = scenetok.config.generation.anchors
    predict = generation(model, options, generate, anchors, shard_batch)
  else:
    predict = evaluator.reconstruction(model, options, shard_batch)

  def score(batch: EvaluationBatch) -> Iterator[Scored]:
    for prediction in predict(params, batch):
      result = scene_result(prediction, loaded.functions)
      yield result, _sheet(prediction)

  return score


def _sheet(prediction: evaluator.Prediction) -> np.ndarray:
  """Given views, what was rendered, the truth and the error: uint8 [H W 3].

  Of a new scene no error is shown.
  """
  scene = prediction.scene
  # A codec may decode fewer frames than it was given.
  chosen = columns(len(prediction.images[SAMPLED]))
  truth = np.asarray(scene.target.images)[chosen]
  hidden = (CEILING, "wrong_scene")
  shown = {
    name.replace("_", " "): images[chosen]
    for name, images in prediction.images.items()
    if name not in hidden
  }
  if prediction.generated:
    given, rows = "given", {**shown, "true scene": truth}
  else:
    error = error_map(shown[SAMPLED], truth)
    given, rows = "context", {**shown, "truth": truth, "error": error}
  context = np.asarray(scene.context.images)
  return contact_sheet([(f"{scene.key}: {given}", context), *rows.items()])


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
