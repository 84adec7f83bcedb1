"""Scenes to score, in the unit that a model was trained in."""

import dataclasses
import functools

import numpy as np
from ml_collections import ConfigDict

from data_pipelines.storage.records import Dataset
from scenetok_jax.evaluation.batches import EvaluationScene, SceneSource
from scenetok_jax.evaluation.plan import EvaluationPlan
from scenetok_jax.geometry.scale import baseline, rescaled
from scenetok_jax.inference import rescaling
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import Views


def in_scale(
  plan: EvaluationPlan,
  dataset: Dataset,
  config: ConfigDict,
  rescale: bool | float,
  *,
  generated: bool,
) -> EvaluationPlan:
  """The plan with positions and depths times what `rescale` asks.

  Each scene has a factor of its own, as when it is rendered alone. Where none
  is asked, one line on stderr says that the scenes are of another scale than
  those of training.

  config: of the model. generated: scenes are made for their target frames, of
  which then the scale counts, not of the context.
  """
  where = str(dataset.directory)

  def apart(source: SceneSource) -> float:
    frames = source.target if generated else source.context
    return baseline(dataset.cameras(source.clip).extrinsics[list(frames)])

  if rescale is False:
    each = [length for source in plan.sources if (length := apart(source))]
    told = rescaling.mismatch(config, float(np.median(each))) if each else ""
    if told and is_lead():
      remark(f"{where}: {told}")
    return plan

  def factor(source: SceneSource) -> float:
    if rescale is not True:
      return rescaling.checked_factor(rescale)
    return rescaling.fitting(config, apart(source), f"scene {source.key}")

  factors = [factor(source) for source in plan.sources]
  if is_lead():
    span = f"{min(factors):.4g} to {max(factors):.4g}"
    remark(f"{where}: positions are taken {span} times")
  sources = tuple(map(_scaled, plan.sources, factors))
  return dataclasses.replace(plan, sources=sources)


def _scaled(source: SceneSource, factor: float) -> SceneSource:
  return dataclasses.replace(
    source,
    identity=f"{source.identity} x {factor!r}",
    load=functools.partial(_load, source, factor),
  )


def _load(source: SceneSource, factor: float) -> EvaluationScene:
  scene = source.load()

  def views(given: Views) -> Views:
    cameras = rescaled(given.cameras, factor)
    return dataclasses.replace(given, cameras=cameras)

  depth = None if scene.depth is None else scene.depth * np.float32(factor)
  return dataclasses.replace(
    scene, context=views(scene.context), target=views(scene.target), depth=depth
  )
