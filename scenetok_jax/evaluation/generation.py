"""Generates new scenes from given views, batch by batch, to score as a set."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.evaluation.batches import EvaluationBatch, EvaluationScene
from scenetok_jax.evaluation.evaluator import EvaluationOptions, stack, trim
from scenetok_jax.evaluation.measures import (
  SAMPLED,
  SHUFFLED_POSE,
  UNCONDITIONAL,
)
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, codec_params, encode_views
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.sampling.generate import (
  SceneCondition,
  anchor_indices,
  generate_tokens,
  token_noise,
)
from scenetok_jax.sampling.options import GenerateOptions
from scenetok_jax.sampling.render import (
  fill_windows,
  horizon,
  render_latents,
  video_noise,
)
from scenetok_jax.types import Array, Cameras, InputError, Views


@dataclasses.dataclass(frozen=True)
class Generated:
  """A new scene seen along the true path, uint8 [T H W 3] each.

  images: "sampled" and, with probes, the baselines that this batch allows.
  seconds: its share of the batch's time, to generate and render.
  generation_seconds: of these, to generate tokens.
  """

  scene: EvaluationScene
  images: dict[str, np.ndarray]
  ceiling: np.ndarray
  seconds: float
  generation_seconds: float


class Generation:
  """Networks compiled once per shape of scenes.

  The given views are a scene's context; its target is the path. All poses are
  relative to the first given view (release).
  """

  def __init__(
    self,
    model: Model,
    params: Any,
    options: EvaluationOptions,
    generation: GenerateOptions,
    anchors: int,
    place: Callable[[Any], Any] = lambda tree: tree,
  ) -> None:
    """place: puts arrays [B ...] where the parameters are.

    Raises:
      InputError: no generator.
    """
    if model.generator is None:
      raise InputError(
        "--workdir: config.stage: tokenizer; generating needs a stage-2"
        " workdir (config.stage=generator)"
      )
    self._model, self._params, self._options = model, params, options
    self._generation, self._anchors, self._place = generation, anchors, place
    self._codecs = codec_params(model)
    self._round_trip = RoundTrip(model.target_codec, self._codecs["target"])
    self._compiled: dict[tuple, tuple[Any, Any]] = {}

  def __call__(self, batch: EvaluationBatch) -> Iterator[Generated]:
    """The scenes of a batch; draws depend on the seed and batch.number."""
    filled = [trim(self._model, scene) for scene in batch.load()]
    count = len(batch.scenes)
    views, visible = self._slots(filled)
    target = stack([scene.target.cameras for scene in filled])
    key = jax.random.key(self._options.seed)
    token_key, video_key = jax.random.split(
      jax.random.fold_in(key, batch.number)
    )
    given = self._place((views, target, visible))
    images: dict[str, np.ndarray] = {}
    spent: dict[str, tuple[float, float]] = {}
    for name, swap, seen in self._kinds(count, batch.size):
      images[name], spent[name] = self._run(
        given, self._place((swap, seen)), token_key, video_key
      )
    generation, rendering = (x / batch.size for x in spent[SAMPLED])
    for i, scene in enumerate(filled[:count]):
      yield Generated(
        scene=scene,
        images={name: array[i] for name, array in images.items()},
        ceiling=self._round_trip(np.asarray(scene.target.images)),
        seconds=generation + rendering,
        generation_seconds=generation,
      )

  def _slots(
    self, scenes: Sequence[EvaluationScene]
  ) -> tuple[Views, np.ndarray]:
    """Given views in the generator's slots [B V], and which are filled.

    Empty slots repeat the last view and are masked (release).
    """
    slots = self._model.num_conditions
    count = len(scenes[0].context.cameras.extrinsics)
    if count > slots:
      raise InputError(
        f"scene {scenes[0].key}: {count} given views; this generator reads 1"
        f" to {slots}"
      )
    chosen = np.minimum(np.arange(slots), count - 1)
    views = stack(
      [
        jax.tree.map(lambda a: np.asarray(a)[chosen], scene.context)
        for scene in scenes
      ]
    )
    return views, np.tile(np.arange(slots) < count, (len(scenes), 1))

  def _kinds(
    self, count: int, size: int
  ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, whose cameras [B], whether views are seen [B])."""
    own, seen = np.arange(size), np.ones(size, bool)
    yield SAMPLED, own, seen
    if not self._options.probes:
      return
    if count > 1:
      others = np.concatenate([np.roll(own[:count], -1), own[count:]])
      yield SHUFFLED_POSE, others, seen
    yield UNCONDITIONAL, own, ~seen

  def _run(
    self, given: Any, kind: Any, token_key: Array, video_key: Array
  ) -> tuple[np.ndarray, tuple[float, float]]:
    """Frames [B T H W 3] and the seconds of both halves."""
    views, target, visible = given
    first = (
      self._params, self._codecs["context"], views, target, visible, *kind,
      token_key,
    )  # fmt: skip
    shape = (views.images.shape, target.extrinsics.shape)
    if shape not in self._compiled:
      self._compiled[shape] = self._compile(first, views, target, video_key)
    generate, render = self._compiled[shape]
    start = time.monotonic()
    tokens = jax.block_until_ready(generate(*first))
    middle = time.monotonic()
    images = render(
      self._params, self._codecs["target"], tokens, views, target, video_key
    )
    images = np.asarray(images)
    return images, (middle - start, time.monotonic() - middle)

  def _compile(
    self, first: tuple, views: Views, target: Cameras, video_key: Array
  ) -> tuple[Any, Any]:
    """Both halves, compiled ahead: no scene's time has the compilation."""
    jit = functools.partial(
      jax.jit, compiler_options=quick_compile_options(jax.default_backend())
    )
    generate = jit(self._generate).lower(*first).compile()
    tokens = jax.eval_shape(self._generate, *first)
    # As placed as the tokens will be when the first half has run.
    sharding = jax.tree.leaves(generate.output_shardings)[0]
    tokens = jax.ShapeDtypeStruct(tokens.shape, tokens.dtype, sharding=sharding)
    render = jit(self._render).lower(
      self._params, self._codecs["target"], tokens, views, target, video_key
    )
    return generate, render.compile()

  def _generate(
    self,
    params: Any,
    codec: Any,
    views: Views,
    target: Cameras,
    visible: Array,
    swap: Array,
    seen: Array,
    key: Array,
  ) -> Array:
    """Tokens [B N C]; swap and seen as _kinds gives them."""
    reference = jnp.asarray(views.cameras.extrinsics)[:, 0]
    stops = anchor_indices(target.extrinsics.shape[1], self._anchors)
    marks = jax.tree.map(lambda a: jnp.asarray(a)[:, stops], target)
    cameras, anchors = jax.tree.map(
      lambda a: jnp.asarray(a)[swap],
      (relative_to(views.cameras, reference), relative_to(marks, reference)),
    )
    return generate_tokens(
      self._model,
      params,
      SceneCondition(
        encode_views(self._model.context_codec, views, None, codec),
        cameras,
        anchors,
        jnp.logical_and(visible, seen[:, None]),
      ),
      token_noise(self._model, key, len(reference)),
      self._generation,
    )

  def _render(
    self,
    params: Any,
    codec: Any,
    tokens: Array,
    views: Views,
    target: Cameras,
    key: Array,
  ) -> Array:
    """Tokens along the path [B T] -> uint8 [B T H W 3]."""
    model, options = self._model, self._options.render
    frames = target.extrinsics.shape[1]
    reference = jnp.asarray(views.cameras.extrinsics)[:, 0]
    path = fill_windows(model, options, relative_to(target, reference))
    latents = horizon(model, path.extrinsics.shape[1])
    video = render_latents(
      model,
      params,
      tokens,
      path,
      video_noise(model, key, len(reference), latents),
      options,
    )
    images = model.target_codec.decode(codec, video)[:, :frames]
    return jnp.round(images * 255.0).astype(jnp.uint8)
