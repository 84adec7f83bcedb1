"""Scores a trained model by a protocol, on frames that it was not given."""

from pathlib import Path
from typing import Any

from scenetok_jax.evaluation import report, summary
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.measures import GENERATED, RECONSTRUCTED
from scenetok_jax.evaluation.request import (
  EvaluationRequest,
  make_options,
  make_plan,
)
from scenetok_jax.evaluation.scene_results import (
  all_results,
  generation_scorer,
  identity,
  reconstruction_scorer,
)
from scenetok_jax.evaluation.store import open_store
from scenetok_jax.inference import placement
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import stack_images, write_png
from scenetok_jax.metrics.loading import load_metrics
from scenetok_jax.parallel.runtime import is_lead

SHEET_SCENES = 4


def evaluate(
  scenetok: SceneTok, request: EvaluationRequest | None = None
) -> dict[str, Any]:
  """The scores of a model, what was compared with what, and every scene's.

  Every process of a run must call it and gets the same report; each scores
  its share of the scenes. With request.out, scenes that are finished there
  are not scored again, and the first process writes result.json and a contact
  sheet beside them.

  Returns:
    JSON values by the keys of docs/evaluation.md: scores as means over
    scenes, confidence_intervals, per_scene, and pictures: each scene's contact
    sheet in request.out. report.table makes it text, report.write a file.

  Raises:
    InputError: no such data or weights, or frames that do not fit the model.
  """
  request = request or EvaluationRequest()
  protocol = request.asked_protocol
  plan = make_plan(scenetok, request)
  options = make_options(scenetok, request)
  loaded = load_metrics(
    protocol.metrics if request.metrics is None else request.metrics,
    request.metrics_weights,
    allow_missing=request.allow_missing_metrics,
    options={"fid": {"resize": request.fid_resize}},
  )
  known = identity(scenetok, plan, options, loaded, protocol)
  store = open_store(request.out, known) if request.out else None
  scorer = generation_scorer if protocol.generation else reconstruction_scorer
  with placement.on_devices(scenetok, options.batch, local=True) as placed:
    results = all_results(
      batches(plan.sources, options.batch),
      scorer(placed, options, loaded),
      store,
    )
  keys = [result.key for result in results]
  shown = store.with_pictures(keys) if store else []
  found = {
    **summary.summarize(
      results,
      summary.Resampling(request.resamples, request.set_resamples),
      GENERATED if protocol.generation else RECONSTRUCTED,
      loaded.functions,
    ),
    "seconds": sum(result.total_seconds for result in results),
    **summary.times(results),
    **report.described(known, plan, loaded, scenetok, protocol),
    "per_scene": {result.key: result.scores for result in results},
    "pictures": {key: str(store.picture(key)) for key in shown if store},
  }
  if store and request.out and is_lead():
    sheets = [store.read_picture(key) for key in shown[:SHEET_SCENES]]
    write_png(Path(request.out) / "contact_sheet.png", stack_images(sheets))
    report.write(Path(request.out) / "result.json", found)
  return found
