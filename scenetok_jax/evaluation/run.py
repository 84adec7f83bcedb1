"""Scores a trained model by a protocol, on frames that it was not given."""

import dataclasses
from pathlib import Path
from typing import Any

from scenetok_jax.evaluation import report
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.evaluator import EvaluationOptions
from scenetok_jax.evaluation.measures import GENERATED, RECONSTRUCTED
from scenetok_jax.evaluation.request import EvaluationRequest, make_plan
from scenetok_jax.evaluation.scene_results import all_results, scorer
from scenetok_jax.evaluation.store import open_store
from scenetok_jax.evaluation.summary import summarize
from scenetok_jax.inference.changes import SamplingChanges, render_options
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image, stack_images, write_png
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
  options = dataclasses.replace(
    EvaluationOptions.of(scenetok.config, request.seed),
    render=render_options(scenetok, SamplingChanges(request.steps)),
    batch=request.batch,
    probes=request.probes,
  )
  loaded = load_metrics(
    protocol.metrics if request.metrics is None else request.metrics,
    request.metrics_weights,
    allow_missing=request.allow_missing_metrics,
    options={"fid": {"resize": request.fid_resize}},
  )
  known = report.identity(scenetok, plan, options, loaded, protocol)
  store = open_store(request.out, known) if request.out else None
  with scenetok.placed(options.batch, local=True) as placed:
    results = all_results(
      batches(plan.sources, options.batch),
      scorer(placed, options, loaded, generated=protocol.generation),
      store,
    )
  pictures = {r.key: store.picture(r.key) for r in results} if store else {}
  pictures = {key: file for key, file in pictures.items() if file.is_file()}
  found = {
    **summarize(
      results,
      GENERATED if protocol.generation else RECONSTRUCTED,
      loaded.functions,
      resamples=request.resamples,
      set_resamples=request.set_resamples,
    ),
    **report.described(known, plan, loaded, scenetok, protocol),
    "per_scene": {result.key: result.scores for result in results},
    "pictures": {key: str(file) for key, file in pictures.items()},
  }
  if request.out and is_lead():
    first = list(pictures.values())[:SHEET_SCENES]
    sheets = [read_image(file) for file in first]
    write_png(Path(request.out) / "contact_sheet.png", stack_images(sheets))
    report.write(Path(request.out) / "result.json", found)
  return found
