"""Renders frames of scenes from their context views, batch by batch."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.evaluation.batches import (
  EvaluationBatch,
  EvaluationScene,
  batches,
  in_memory,
)
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, codec_params
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.sampling.encode import encode
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import (
  fill_windows,
  horizon,
  one_step_latents,
  render_latents,
  video_noise,
)
from scenetok_jax.types import Array, Cameras, Views

Tree = TypeVar("Tree", Views, Cameras)


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What was rendered for one scene, uint8 [T H W 3] each.

  wrong_scene: rendered with the tokens of another scene of the batch: the
  gap to `sampled` shows that the tokens are used. It and one_step are None
  where options.probes is off. seconds: its share of the batch's time, codec
  round trip and compilation left out.
  """

  scene: EvaluationScene
  sampled: np.ndarray
  ceiling: np.ndarray
  one_step: np.ndarray | None = None
  wrong_scene: np.ndarray | None = None
  seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
  """batch: scenes rendered together (at least 2 for the wrong-scene test).

  probes: render with one step and with another scene's tokens too.
  """

  render: RenderOptions
  batch: int = 4
  deterministic: bool = False
  seed: int = 0
  probes: bool = True

  @classmethod
  def of(cls, config: ConfigDict, seed: int = 0) -> "EvaluationOptions":
    """How a run's own configuration renders."""
    return cls(
      render=RenderOptions.of(config.sampling),
      deterministic=config.sampling.deterministic,
      seed=seed,
    )


def whole_frames(model: Model, frames: int) -> int:
  """How many of `frames` target frames fill whole latents."""
  return model.target_codec.frames(horizon(model, frames))


def trim(model: Model, scene: EvaluationScene) -> EvaluationScene:
  """Drops trailing target frames that fill no latent of the target codec."""
  frames = whole_frames(model, len(scene.target.cameras.extrinsics))
  target = jax.tree.map(lambda a: a[:frames], scene.target)
  novel = None if scene.novel is None else scene.novel[:frames]
  return dataclasses.replace(scene, target=target, novel=novel)


def stack(views: Sequence[Tree]) -> Tree:
  return jax.tree.map(lambda *arrays: np.stack(arrays), *views)


def renderer(
  model: Model, options: EvaluationOptions, frames: int
) -> Callable[..., dict[str, Array]]:
  """The compiled rendering of a batch of scenes with `frames` frames each.

  The reference pose is the middle context view (release, test mode).
  """

  # Cheap compilation: on the CPU it is most of a short evaluation.
  @functools.partial(
    jax.jit, compiler_options=quick_compile_options(jax.default_backend())
  )
  def run(
    params: Any, codecs: Any, context: Views, target: Cameras, key: Array
  ) -> dict[str, Array]:
    noise_key, token_key = jax.random.split(key)
    extrinsics = jnp.asarray(context.cameras.extrinsics)
    reference = extrinsics[:, extrinsics.shape[1] // 2]
    tokens = encode(
      model,
      params,
      context,
      reference,
      None if options.deterministic else token_key,
      codecs["context"],
    )
    path = fill_windows(model, options.render, relative_to(target, reference))
    latents = horizon(model, path.extrinsics.shape[1])
    noise = video_noise(model, noise_key, tokens.shape[0], latents)

    def render(tokens: Array, path: Cameras, noise: Array) -> Array:
      return render_latents(model, params, tokens, path, noise, options.render)

    def decode(latents: Array) -> Array:
      images = model.target_codec.decode(codecs["target"], latents)
      return jnp.round(images[:, :frames] * 255.0).astype(jnp.uint8)

    if not options.probes:
      return {"sampled": decode(render(tokens, path, noise))}
    # Right and wrong scenes share noise and path, hence one doubled batch.
    sampled, wrong = jnp.split(
      decode(
        render(
          jnp.concatenate([tokens, jnp.roll(tokens, 1, axis=0)]),
          jax.tree.map(lambda a: jnp.concatenate([a, a]), path),
          jnp.concatenate([noise, noise]),
        )
      ),
      2,
    )
    one_step = one_step_latents(
      model, params, tokens, path, noise, options.render.window
    )
    return {
      "sampled": sampled,
      "one_step": decode(one_step),
      "wrong_scene": wrong,
    }

  return run


class Predictor:
  """A model, compiled once per shape of scenes."""

  def __init__(
    self,
    model: Model,
    params: Any,
    options: EvaluationOptions,
    place: Callable[[Any], Any] = lambda tree: tree,
  ) -> None:
    """place: puts arrays [B ...] where the parameters are."""
    self._model, self._params, self._options = model, params, options
    self._place = place
    self._codecs = codec_params(model)
    self._round_trip = RoundTrip(model.target_codec, self._codecs["target"])
    self._compiled: dict[tuple[int, int], Callable[..., Any]] = {}

  def __call__(self, batch: EvaluationBatch) -> Iterator[Prediction]:
    """The scenes of a batch; draws depend on the seed and batch.number."""
    filled = [trim(self._model, scene) for scene in batch.load()]
    key = jax.random.key(self._options.seed)
    arguments = (
      self._params,
      self._codecs,
      self._place(stack([scene.context for scene in filled])),
      self._place(stack([scene.target.cameras for scene in filled])),
      jax.random.fold_in(key, batch.number),
    )
    run = self._program(batch, filled[0], arguments)
    start = time.monotonic()
    out = {name: np.asarray(x) for name, x in run(*arguments).items()}
    seconds = (time.monotonic() - start) / batch.size
    for i, scene in enumerate(filled[: len(batch.scenes)]):
      yield Prediction(
        scene=scene,
        ceiling=self._round_trip(np.asarray(scene.target.images)),
        seconds=seconds,
        **{name: array[i] for name, array in out.items()},
      )

  def _program(
    self, batch: EvaluationBatch, scene: EvaluationScene, arguments: tuple
  ) -> Callable[..., dict[str, Array]]:
    """Compiled ahead, so that no scene's time has the compilation in it."""
    frames = len(scene.target.cameras.extrinsics)
    shape = (len(scene.context.cameras.extrinsics), frames)
    if shape not in self._compiled:
      run: Any = renderer(self._model, self._options, frames)
      self._compiled[shape] = run.lower(*arguments).compile()
    return self._compiled[shape]


def predict(
  model: Model,
  params: Any,
  scenes: Sequence[EvaluationScene],
  options: EvaluationOptions,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[Prediction]:
  """Renders every scene; see batches for what is rendered together."""
  predictor = Predictor(model, params, options)
  sources = [in_memory(trim(model, scene)) for scene in scenes]
  for batch in batches(sources, options.batch):
    yield from predictor(batch)
    progress(len(batch.scenes))
