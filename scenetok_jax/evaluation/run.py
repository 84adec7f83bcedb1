"""Scores a trained model by a protocol, on frames that it was not given."""

import dataclasses
from typing import Any

from scenetok_jax.evaluation import report
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.evaluator import EvaluationOptions
from scenetok_jax.evaluation.measures import GENERATED, RECONSTRUCTED
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.evaluation.protocols import Protocol
from scenetok_jax.evaluation.request import EvaluationRequest, make_plan
from scenetok_jax.evaluation.scene_results import all_results, scorer
from scenetok_jax.evaluation.store import open_store
from scenetok_jax.evaluation.summary import summarize
from scenetok_jax.inference import changes
from scenetok_jax.inference.changes import GenerationChanges, SamplingChanges
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image, stack_images, write_png
from scenetok_jax.metrics.loading import LoadedMetrics, load_metrics
from scenetok_jax.outputs import Output, opened
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.scene_file import codec_digest

SHEET_SCENES = 4
_FILES = ("result.json", "contact_sheet.png")


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

  Raises InputError: no such data or weights, or frames that do not fit the
  model.
  """
  request = request or EvaluationRequest()
  if not (request.out and is_lead()):
    return _evaluate(scenetok, request, None)
  sources = {"--data": request.data} if request.data else {}
  with opened(request.out, _FILES, sources) as out:
    return _evaluate(scenetok, request, out)


def _evaluate(
  scenetok: SceneTok, request: EvaluationRequest, out: Output | None
) -> dict[str, Any]:
  """out: of the first process alone."""
  protocol = request.asked_protocol
  plan = make_plan(scenetok, request)
  options = dataclasses.replace(
    EvaluationOptions.of(scenetok.config, request.seed),
    render=changes.render_options(scenetok, SamplingChanges(request.steps)),
    batch=request.batch,
    probes=request.probes,
  )
  loaded = load_metrics(
    protocol.metrics if request.metrics is None else request.metrics,
    request.metrics_weights,
    allow_missing=request.allow_missing_metrics,
    options={"fid": {"resize": request.fid_resize}},
  )
  known = _identity(scenetok, plan, options, loaded, protocol)
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
    **_described(known, plan, loaded, scenetok, protocol),
    "rescale": request.rescale,
    "per_scene": {result.key: result.scores for result in results},
    "pictures": {key: str(file) for key, file in pictures.items()},
  }
  if out:
    first = list(pictures.values())[:SHEET_SCENES]
    sheets = [read_image(file) for file in first]
    result, sheet = out.claim(*_FILES)
    write_png(sheet, stack_images(sheets))
    report.write(result, found)
  return found


def _identity(
  scenetok: SceneTok,
  plan: EvaluationPlan,
  options: EvaluationOptions,
  loaded: LoadedMetrics,
  protocol: Protocol,
) -> dict[str, Any]:
  """All that a scene's result depends on, as JSON values."""
  sampling = dataclasses.asdict(options)
  if protocol.generation:
    own = changes.generate_options(scenetok, GenerationChanges())
    anchors = scenetok.config.generation.anchors
    sampling["generation"] = {**dataclasses.asdict(own), "anchors": anchors}
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


def _described(
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
