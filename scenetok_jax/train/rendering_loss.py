"""How far the renderer's velocities are off, clip by clip."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from einops import reduce, repeat
from ml_collections import ConfigDict

from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.flow import path
from scenetok_jax.flow.losses import flow_loss
from scenetok_jax.flow.mean import Average, adaptive_weights, mean_target
from scenetok_jax.flow.timesteps import model_interval, model_timestep
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.ops.attention import PLAIN
from scenetok_jax.train.tokenizer_noise import StepNoise
from scenetok_jax.types import Array, Cameras, Views


def rendering_loss(
  decoder: RayConditionedDiT,
  config: ConfigDict,
  params: Any,
  target: Views,
  tokens: Array,
  reference: Array,
  noise: StepNoise,
) -> tuple[Array, Array]:
  """Mean (velocity error)^2 of B scenes, and the loss that is made of it.

  target: normalised latents and cameras of all clips, [A L]; a scene's are
  rendered from one encoding, and their errors averaged (SVSM, arXiv
  2602.21341). tokens: [B N C]. reference: [B 4 4] poses that cameras are
  relative to. With noise.starts errors are of the average velocity (flow.mean),
  and the loss weighs them by config.mean_flow.power; else both are the same.
  """
  clips = len(noise.levels) // len(noise.reference)
  if clips > 1:
    tokens, reference = (
      repeat(x, "b ... -> (b n) ...", n=clips) for x in (tokens, reference)
    )
  x_t = path.interpolate(target.latents, noise.target, noise.levels)
  view = functools.partial(
    _predict, target.cameras, reference, noise.unconditional
  )
  levels = noise.levels, noise.starts
  prediction = view(decoder, params, tokens, x_t, *levels)
  wanted = path.velocity(target.latents, noise.target)
  if noise.starts is not None:
    average = _average(view, decoder, config, params, tokens)
    wanted = mean_target(average, x_t, wanted, noise.levels, noise.starts)
  flow = loss = flow_loss(prediction, wanted)
  if noise.starts is not None:
    loss = flow * adaptive_weights(flow, config.mean_flow.power)
  if clips > 1:
    flow, loss = (
      reduce(x, "(b n) -> b", "mean", n=clips) for x in (flow, loss)
    )
  return flow, loss


def _average(
  view: Callable[..., Array],
  decoder: RayConditionedDiT,
  config: ConfigDict,
  params: Any,
  tokens: Array,
) -> Average:
  """The renderer as a function that jax.jvp goes through."""
  turns = config.mean_flow.turns / 1000  # levels are 1000 timesteps
  plain = with_fields(decoder, attention=PLAIN, remat="none", turns=turns)
  fixed = jax.lax.stop_gradient((params, tokens))
  return functools.partial(view, plain, *fixed)


def _predict(
  cameras: Cameras,
  reference: Array,
  unconditional: Array,
  net: Any,
  params: Any,
  tokens: Array,
  x: Array,
  t: Array,
  start: Array | None,
) -> Array:
  """The renderer's velocity at (x, t), or its average down to `start`."""
  interval = None if start is None else model_interval(t - start)
  out: Array = net.apply(
    {"params": params["decoder"]},
    x,
    model_timestep(t),
    relative_to(cameras, reference),
    tokens,
    unconditional if net.null_token else False,
    interval=interval,
  )
  return out
