"""Renders held-out frames of scenes and scores them beside the baselines."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.evaluation.baselines import mean_view, nearest_view
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.sampling.encode import encode
from scenetok_jax.sampling.render import (
  RenderOptions,
  decode_latents,
  fill_windows,
  horizon,
  one_step_latents,
  render_latents,
  render_schedule,
  video_noise,
)
from scenetok_jax.sampling.system import System, codec_params
from scenetok_jax.types import Array, Cameras, Views

Tree = TypeVar("Tree", Views, Cameras)


@dataclasses.dataclass(frozen=True)
class EvaluationScene:
  """One scene: context views [V] and the frames [T] to be predicted."""

  key: str
  context: Views
  target: Views


@dataclasses.dataclass(frozen=True)
class Prediction:
  """What was rendered for one scene, uint8 [T H W 3] each.

  wrong_scene: rendered with the tokens of another scene of the batch: the
  gap to `sampled` shows that the tokens are used.
  """

  scene: EvaluationScene
  sampled: np.ndarray
  one_step: np.ndarray
  wrong_scene: np.ndarray
  ceiling: np.ndarray


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
  """batch: scenes rendered together (at least 2 for the wrong-scene test)."""

  render: RenderOptions
  batch: int = 4
  deterministic: bool = False
  seed: int = 0


def trim(system: System, scene: EvaluationScene) -> EvaluationScene:
  """Drops trailing target frames that fill no latent of the target codec."""
  cameras = scene.target.cameras
  codec = system.target_codec
  frames = codec.frames(horizon(system, len(cameras.extrinsics)))
  target = jax.tree.map(lambda a: a[:frames], scene.target)
  return dataclasses.replace(scene, target=target)


def _stack(views: Sequence[Tree]) -> Tree:
  return jax.tree.map(lambda *arrays: np.stack(arrays), *views)


def renderer(
  system: System, options: EvaluationOptions, frames: int
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
      system,
      params,
      context,
      reference,
      None if options.deterministic else token_key,
      codecs["context"],
    )
    path = fill_windows(system, options.render, relative_to(target, reference))
    latents = horizon(system, path.extrinsics.shape[1])
    plan = render_schedule(options.render, latents)
    noise = video_noise(system, noise_key, tokens.shape[0], latents)
    # Right and wrong scenes share noise and path, hence one doubled batch.
    right_wrong = render_latents(
      system,
      params,
      jnp.concatenate([tokens, jnp.roll(tokens, 1, axis=0)]),
      jax.tree.map(lambda a: jnp.concatenate([a, a]), path),
      jnp.concatenate([noise, noise]),
      plan,
      options.render.guidance,
      solver=options.render.solver,
      interval=options.render.interval,
    )

    def decode(latents: Array) -> Array:
      images = decode_latents(system, latents, params=codecs["target"])
      return images[:, :frames]

    sampled, wrong = jnp.split(decode(right_wrong), 2)
    one_step = one_step_latents(
      system, params, tokens, path, noise, options.render.window
    )
    return {
      "sampled": sampled,
      "one_step": decode(one_step),
      "wrong_scene": wrong,
    }

  return run


def predict(
  system: System,
  params: Any,
  scenes: Sequence[EvaluationScene],
  options: EvaluationOptions,
  progress: Callable[[int], None] = lambda count: None,
) -> Iterator[Prediction]:
  """Renders every scene; the draws depend on the seed and batch index only.

  Scenes are grouped by their numbers of views and frames, so that each shape
  compiles once; the last batch of a group is filled with another scene.
  """
  groups: dict[tuple[int, int], list[EvaluationScene]] = {}
  for scene in scenes:
    scene = trim(system, scene)
    shape = (
      len(scene.context.cameras.extrinsics),
      len(scene.target.cameras.extrinsics),
    )
    groups.setdefault(shape, []).append(scene)
  codecs = codec_params(system)
  round_trip = RoundTrip(system.target_codec, codecs["target"])
  key = jax.random.key(options.seed)
  for (_, frames), members in groups.items():
    run = renderer(system, options, frames)
    for index in range(0, len(members), options.batch):
      batch = members[index : index + options.batch]
      other = _another(batch[0], [*members, *scenes])
      filled = batch + [other] * (options.batch - len(batch))
      out = run(
        params,
        codecs,
        _stack([scene.context for scene in filled]),
        _stack([scene.target.cameras for scene in filled]),
        jax.random.fold_in(key, index),
      )
      images = {name: _to_uint8(array) for name, array in out.items()}
      for i, scene in enumerate(batch):
        yield Prediction(
          scene=scene,
          ceiling=round_trip(np.asarray(scene.target.images)),
          **{name: array[i] for name, array in images.items()},
        )
      progress(len(batch))


def _another(
  scene: EvaluationScene, scenes: Sequence[EvaluationScene]
) -> EvaluationScene:
  """A scene whose tokens can be swapped with those of `scene`.

  It brings its context only, which must have as many views; `scene` itself
  where there is no such scene.
  """
  views = len(scene.context.cameras.extrinsics)
  for other in scenes:
    same = len(other.context.cameras.extrinsics) == views
    if same and other.key != scene.key:
      return dataclasses.replace(other, target=scene.target)
  return scene


def _to_uint8(images: Array) -> np.ndarray:
  return np.asarray(jnp.round(images * 255.0).astype(jnp.uint8))


_psnr = jax.jit(psnr)
_ssim = jax.jit(ssim)


def score(prediction: Prediction) -> dict[str, float]:
  """Mean scores over the frames of one scene (docs/evaluation.md)."""
  scene = prediction.scene
  truth, sampled = _unit(scene.target.images), _unit(prediction.sampled)

  def mean_psnr(images: np.ndarray) -> float:
    # A codec may decode fewer frames than it was given.
    return float(jnp.mean(_psnr(_unit(images), truth[: len(images)])))

  return {
    "psnr": mean_psnr(prediction.sampled),
    "one_step_psnr": mean_psnr(prediction.one_step),
    "wrong_scene_psnr": mean_psnr(prediction.wrong_scene),
    "ssim": float(jnp.mean(_ssim(sampled, truth[: len(sampled)]))),
    "nearest_view_psnr": mean_psnr(nearest_view(scene.context, scene.target)),
    "mean_view_psnr": mean_psnr(mean_view(scene.context, scene.target)),
    "codec_ceiling_psnr": mean_psnr(prediction.ceiling),
  }


def _unit(images: Array) -> np.ndarray:
  return np.asarray(images, np.float32) / 255.0


def average(scores: Sequence[dict[str, float]]) -> dict[str, Any]:
  """Mean over scenes, each scene counting once, plus the conditioning gap.

  The gap is None for a single scene, whose tokens cannot be swapped.
  """
  means: dict[str, Any] = {
    name: float(np.mean([scene[name] for scene in scores]))
    for name in scores[0]
  }
  gap = means["psnr"] - means["wrong_scene_psnr"]
  means["conditioning_gap_db"] = gap if len(scores) > 1 else None
  means["scenes"] = len(scores)
  return means
