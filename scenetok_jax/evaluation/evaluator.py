"""Renders frames of scenes from their context views, batch by batch."""

import dataclasses
import functools
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.codecs.check import RoundTrip, finite_frames
from scenetok_jax.evaluation.batches import (
  EvaluationBatch,
  EvaluationScene,
  batches,
  in_memory,
)
from scenetok_jax.evaluation.measures import CEILING, SAMPLED
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.io import to_uint8
from scenetok_jax.model import Model, codec_params
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.sampling import render as renderer
from scenetok_jax.sampling.encode import encode
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.types import Array, Cameras, InputError, Views

Tree = TypeVar("Tree", Views, Cameras)
Place = Callable[[Any], Any]  # puts arrays [B ...] where the parameters are


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What was rendered for one scene.

  images: uint8 [T H W 3] by name: "sampled"; "codec_ceiling", the codec's
  round trip of the true frames; and with options.probes those of Rendered.
  generated: whether it is a new scene, which no frame can be compared with.
  other: target cameras [T] of another scene of the batch, where there is one.
  seconds: its share of the batch's time, codec round trip and compilation left
  out. generation_seconds: of these, to generate tokens.
  """

  scene: EvaluationScene
  images: dict[str, np.ndarray]
  generated: bool = False
  seconds: float = 0.0
  generation_seconds: float = 0.0
  other: Cameras | None = None


class Frames(NamedTuple):
  """images: uint8 [B T H W 3]. finite: bool [B], of what they were made of."""

  images: Array
  finite: Array


@dataclasses.dataclass(frozen=True)
class Rendered:
  """A batch: what was rendered by name, and the seconds of all.

  Of encoded scenes the probes are "one_step" and "wrong_scene", rendered with
  the tokens of another scene of the batch: the gap to "sampled" shows that
  the tokens are used. Of generated scenes see generation.
  """

  images: dict[str, Frames]
  seconds: float
  generation_seconds: float = 0.0

  def check(self, keys: Sequence[str]) -> None:
    """InputError naming a scene, of the first [B], that is not finite."""
    for name, frames in self.images.items():
      for key, finite in zip(keys, np.asarray(frames.finite), strict=False):
        if not finite:
          raise InputError(
            f"scene {key}: {name}: what was rendered is NaN or Inf; lower the"
            " guidance, or evaluate another checkpoint"
          )


# Parameters, scenes [B], how many of them are no fillers, a key -> rendered.
RenderBatch = Callable[[Any, Sequence[EvaluationScene], int, Array], Rendered]
# Parameters and a batch; what it compiled it keeps from one call to the next.
Predictor = Callable[[Any, EvaluationBatch], Iterator[Prediction]]


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
  """batch: scenes rendered together (at least 2 for the wrong-scene test).

  probes: render with one step and with another scene's tokens too.
  whole_windows: paths are filled up to whole windows, so that scenes of other
  lengths share what is compiled.
  """

  render: RenderOptions
  batch: int = 4
  deterministic: bool = False
  seed: int = 0
  probes: bool = True
  whole_windows: bool = False

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
  return model.target_codec.frames(renderer.horizon(model, frames))


def trim(model: Model, scene: EvaluationScene) -> EvaluationScene:
  """Drops trailing target frames that fill no latent of the target codec."""
  frames = whole_frames(model, len(scene.target.cameras.extrinsics))
  target, novel = jax.tree.map(
    lambda a: a[:frames], (scene.target, scene.novel)
  )
  return dataclasses.replace(scene, target=target, novel=novel)


def stack(views: Sequence[Tree]) -> Tree:
  return jax.tree.map(lambda *arrays: np.stack(arrays), *views)


def timed(
  programs: dict[Hashable, Any],
  key: Hashable,
  function: Callable[..., Any],
  *arguments: Any,
) -> tuple[Any, float]:
  """(function(*arguments), seconds); compiled before the clock starts.

  programs: what was compiled, by key, which tells shapes apart.
  """
  if key not in programs:
    # Cheap compilation: on the CPU it is most of a short evaluation.
    options = quick_compile_options(jax.default_backend())
    jitted = jax.jit(function, compiler_options=options)
    programs[key] = jitted.lower(*arguments).compile()
  start = time.monotonic()
  out = jax.block_until_ready(programs[key](*arguments))
  return out, time.monotonic() - start


def decode(model: Model, params: Any, latents: Array, frames: int) -> Frames:
  """Normalised latents [B L h w C] -> the first frames."""
  images = model.target_codec.decode(params, latents)[:, :frames]
  # Both: a codec clips what is infinite.
  each = [finite_frames(x).all(axis=1) for x in (latents, images)]
  return Frames(to_uint8(images), each[0] & each[1])


def predictor(
  model: Model, seed: int, render: RenderBatch, *, generated: bool
) -> Predictor:
  """Predictions by one way to render; draws depend on seed, batch.number."""
  round_trip = RoundTrip(model.target_codec)

  def predict_batch(
    params: Any, batch: EvaluationBatch
  ) -> Iterator[Prediction]:
    filled = [trim(model, scene) for scene in batch.load()]
    count = len(batch.scenes)
    key = jax.random.fold_in(jax.random.key(seed), batch.number)
    rendered = render(params, filled, count, key)
    # Compiled functions sort names; the samples come first.
    names = sorted(rendered.images, key=lambda name: name != SAMPLED)
    rendered.check([scene.key for scene in filled[:count]])
    images = {name: np.asarray(rendered.images[name].images) for name in names}
    for i, scene in enumerate(filled[:count]):
      shown = {name: array[i] for name, array in images.items()}
      shown[CEILING] = round_trip(np.asarray(scene.target.images))
      yield Prediction(
        scene,
        shown,
        generated,
        rendered.seconds / batch.size,
        rendered.generation_seconds / batch.size,
        filled[(i + 1) % count].target.cameras if count > 1 else None,
      )

  return predict_batch


def reconstruction(
  model: Model, options: EvaluationOptions, place: Place = lambda tree: tree
) -> Predictor:
  """Renders encoded scenes, compiled once per shape of scenes."""
  programs: dict[Hashable, Any] = {}
  codecs = codec_params(model)
  program = functools.partial(_reconstruct, model, options)
  windows = options.render
  if options.whole_windows:
    windows = dataclasses.replace(windows, overlap=0)

  def render(
    params: Any, scenes: Sequence[EvaluationScene], count: int, key: Array
  ) -> Rendered:
    del count
    context = place(stack([scene.context for scene in scenes]))
    target = stack([scene.target.cameras for scene in scenes])
    frames = target.extrinsics.shape[1]
    path = place(renderer.fill_windows(model, windows, target))
    shape = (context.images.shape[1], path.extrinsics.shape[1])
    arguments = (params, codecs, context, path, key)
    images, seconds = timed(programs, shape, program, *arguments)
    shown = {k: Frames(v[0][:, :frames], v[1]) for k, v in images.items()}
    return Rendered(shown, seconds)

  return predictor(model, options.seed, render, generated=False)


def _reconstruct(
  model: Model,
  options: EvaluationOptions,
  params: Any,
  codecs: Any,
  context: Views,
  path: Cameras,
  key: Array,
) -> dict[str, Frames]:
  """Context [B V] and path [B T] of scenes -> frames [B T H W 3] by name.

  The reference pose is the middle context view (release, test mode).
  """
  frames = path.extrinsics.shape[1]
  noise_key, key = jax.random.split(key)
  token_key = None if options.deterministic else key
  extrinsics = jnp.asarray(context.cameras.extrinsics)
  reference = extrinsics[:, extrinsics.shape[1] // 2]
  codec = codecs["context"]
  tokens = encode(model, params, context, reference, token_key, codec)
  path = relative_to(path, reference)
  latents = renderer.horizon(model, frames)
  noise = renderer.video_noise(model, noise_key, len(reference), latents)

  def render(tokens: Array, path: Cameras, noise: Array) -> Frames:
    video = renderer.render_latents(
      model, params, tokens, path, noise, options.render
    )
    return decode(model, codecs["target"], video, frames)

  if not options.probes:
    return {SAMPLED: render(tokens, path, noise)}
  # Right and wrong scenes share noise and path, hence one doubled batch.
  tokens_of_both = jnp.concatenate([tokens, jnp.roll(tokens, 1, axis=0)])
  path_of_both, noise_of_both = jax.tree.map(
    lambda a: jnp.concatenate([a, a]), (path, noise)
  )
  both = render(tokens_of_both, path_of_both, noise_of_both)
  halves = [jnp.split(x, 2) for x in both]
  sampled, wrong = (Frames(*half) for half in zip(*halves, strict=True))
  video = renderer.one_step_latents(
    model, params, tokens, path, noise, options.render.window
  )
  one_step = decode(model, codecs["target"], video, frames)
  return {SAMPLED: sampled, "one_step": one_step, "wrong_scene": wrong}


def predict(
  model: Model,
  params: Any,
  scenes: Sequence[EvaluationScene],
  options: EvaluationOptions,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[Prediction]:
  """Renders every scene; see batches for what is rendered together."""
  render = reconstruction(model, options)
  sources = [in_memory(trim(model, scene)) for scene in scenes]
  for batch in batches(sources, options.batch):
    yield from render(params, batch)
    progress(len(batch.scenes))
