"""Scores of a few held-out scenes during training."""

import dataclasses
import json
import traceback
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from scenetok_jax.evaluation.batches import batches, in_memory
from scenetok_jax.evaluation.evaluator import (
  EvaluationOptions,
  reconstruction,
  trim,
)
from scenetok_jax.evaluation.plan import heldout, open_dataset
from scenetok_jax.evaluation.scores import average, score
from scenetok_jax.model import Model
from scenetok_jax.parallel.mesh import sampling_mesh
from scenetok_jax.parallel.rules import place_params, shard_batch
from scenetok_jax.parallel.runtime import gather_bytes, is_lead
from scenetok_jax.reading.shown import remark
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.loop import Evaluate


def make_evaluate(
  config: ConfigDict, model: Model, activity: Activity | None = None
) -> Evaluate | None:
  """Scores a few held-out scenes; every process must call it.

  Each process renders its share on its own devices, and tells `activity` what
  it is at. None for stage 2, and
  where scores cannot be had: they need frames, also beside data.latents, and
  the weights of the codecs, which is told.
  """
  activity = activity or Activity()
  path, options = config.data.path, config.train
  wanted = options.eval_every > 0 and options.eval_scenes > 0
  if config.stage != "tokenizer" or not path or not wanted:
    return None
  codecs = {"context": model.context_codec, "target": model.target_codec}
  for part, codec in codecs.items():
    if codec.make is not None and not config.codecs[part].get("weights"):
      _tell(f"no scores in training: config.codecs.{part}.weights is not set")
      return None
  plan = heldout(
    open_dataset(path), config.data.num_context, options.eval_scenes
  )
  scenes = [in_memory(trim(model, source.load())) for source in plan.sources]
  settings = dataclasses.replace(
    EvaluationOptions.of(config), whole_windows=True
  )
  share = batches(scenes, settings.batch)
  share = share[jax.process_index() :: jax.process_count()]
  predict = reconstruction(model, settings, shard_batch)

  def evaluate(params: Any, step: int) -> dict[str, Any] | None:
    mesh = sampling_mesh(settings.batch, jax.local_devices())
    rows: dict[str, dict[str, float]] = {}
    whole, error = _gathered(params), ""
    try:
      with jax.set_mesh(mesh):
        placed = place_params(whole, mesh)
        for batch in share:
          found = predict(placed, batch)
          rows |= {row.scene.key: score(row) for row in found}
          activity.at(f"the evaluation of step {step}")
    except Exception as failure:  # training is worth more than its scores
      traceback.print_exc()
      error = f"process {jax.process_index()}: {failure}"
    activity.at(f"the scores of step {step}")
    sent = json.dumps({"rows": rows, "error": error}).encode()
    parts = [json.loads(part) for part in gather_bytes(sent)]
    errors = [part["error"] for part in parts if part["error"]]
    if errors:
      _tell(f"step {step}: no scores, training goes on: {errors[0]}")
      return None
    rows = {k: v for part in parts for k, v in part["rows"].items()}
    return average([rows[key] for key in sorted(rows)])

  return evaluate


def _gathered(params: Any) -> Any:
  """Parameters on any mesh as whole arrays of this host."""
  if jax.process_count() > 1:
    return multihost_utils.process_allgather(params, tiled=True)
  return jax.tree.map(np.asarray, params)


def _tell(line: str) -> None:
  if is_lead():
    remark(line)
