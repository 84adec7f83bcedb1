"""Generates new scenes from given views, batch by batch, to score as a set."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.evaluation import evaluator, measures
from scenetok_jax.evaluation.batches import EvaluationScene
from scenetok_jax.evaluation.evaluator import Frames, Rendered, timed
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, codec_params, encode_views
from scenetok_jax.sampling import generate as generator
from scenetok_jax.sampling import render as renderer
from scenetok_jax.sampling.options import GenerateOptions
from scenetok_jax.types import Array, Cameras, Views


def generation(
  model: Model,
  options: evaluator.EvaluationOptions,
  generate: GenerateOptions,
  anchors: int,
  place: evaluator.Place = lambda tree: tree,
) -> evaluator.Predictor:
  """New scenes seen along the true path, compiled once per shape of scenes.

  The given views are a scene's context; its target is the path. All poses are
  relative to the first given view (release). The probes are the baselines
  "unconditional" and, with another scene in the batch, "shuffled_pose".
  """
  programs: dict[Hashable, Any] = {}
  codecs = codec_params(model)

  def make_tokens(
    params: Any,
    codec: Any,
    views: Views,
    target: Cameras,
    kind: tuple[Array, Array, Array],
    key: Array,
  ) -> Array:
    """Tokens [B N C]; kind: slots that are filled, and what _kinds gives."""
    visible, swap, seen = kind
    reference = jnp.asarray(views.cameras.extrinsics)[:, 0]
    stops = generator.anchor_indices(target.extrinsics.shape[1], anchors)
    marks = jax.tree.map(lambda a: jnp.asarray(a)[:, stops], target)
    cameras, marks = jax.tree.map(
      lambda a: jnp.asarray(a)[swap],
      (relative_to(views.cameras, reference), relative_to(marks, reference)),
    )
    latents = encode_views(model.context_codec, views, None, codec)
    shown = jnp.logical_and(visible, seen[:, None])
    condition = generator.SceneCondition(latents, cameras, marks, shown)
    noise = generator.token_noise(model, key, len(reference))
    return generator.generate_tokens(model, params, condition, noise, generate)

  def make_video(
    params: Any,
    codec: Any,
    tokens: Array,
    views: Views,
    target: Cameras,
    key: Array,
  ) -> Frames:
    """Tokens along the path [B T] -> frames [B T H W 3]."""
    reference = jnp.asarray(views.cameras.extrinsics)[:, 0]
    path = relative_to(target, reference)
    path = renderer.fill_windows(model, options.render, path)
    latents = renderer.horizon(model, path.extrinsics.shape[1])
    noise = renderer.video_noise(model, key, len(reference), latents)
    video = renderer.render_latents(
      model, params, tokens, path, noise, options.render
    )
    return evaluator.decode(model, codec, video, target.extrinsics.shape[1])

  def render(
    params: Any, scenes: Sequence[EvaluationScene], count: int, key: Array
  ) -> Rendered:
    views = evaluator.stack([scene.context for scene in scenes])
    where = f"scene {scenes[0].key}"
    views, visible = generator.fill_slots(views, model.num_conditions, where)
    target = evaluator.stack([scene.target.cameras for scene in scenes])
    views, target, visible = place((views, target, visible))
    frames = target.extrinsics.shape[1]
    token_key, video_key = jax.random.split(key)
    images, spent = {}, {}
    for name, swap, seen in _kinds(count, len(scenes), options.probes):
      tokens, generating = timed(
        programs, ("tokens", frames), make_tokens, params, codecs["context"],
        views, target, (visible, *place((swap, seen))), token_key,
      )  # fmt: skip
      images[name], rendering = timed(
        programs, ("video", frames), make_video, params, codecs["target"],
        tokens, views, target, video_key,
      )  # fmt: skip
      spent[name] = (generating + rendering, generating)
    return Rendered(images, *spent[measures.SAMPLED])

  return evaluator.predictor(model, options.seed, render, generated=True)


def _kinds(
  count: int, size: int, probes: bool
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
  """(name, whose cameras [B], whether views are seen [B])."""
  own, seen = np.arange(size), np.ones(size, bool)
  yield measures.SAMPLED, own, seen
  if probes and count > 1:
    others = np.concatenate([np.roll(own[:count], -1), own[count:]])
    yield measures.SHUFFLED_POSE, others, seen
  if probes:
    yield measures.UNCONDITIONAL, own, ~seen
