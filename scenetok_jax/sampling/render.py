"""Scene tokens to latents along a camera path, in sliding windows."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow.path import clean_estimate
from scenetok_jax.flow.solvers import run_steps
from scenetok_jax.flow.timesteps import shift
from scenetok_jax.flow.windows import WindowSchedule, schedule
from scenetok_jax.model import Model
from scenetok_jax.sampling import velocity
from scenetok_jax.sampling import window as windows
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.types import Array, Cameras, InputError


def horizon(model: Model, frames: int) -> int:
  """Latents that `frames` frames fill; InputError for less than one."""
  codec = model.target_codec
  count = codec.latents(frames)
  if not count:
    raise InputError(
      f"trajectory: {frames} frames do not fill one latent of the "
      f"{codec.name} codec; give a longer path"
    )
  return count


def whole_windows(options: RenderOptions, latents: int) -> int:
  """Latents to render for `latents` wanted ones.

  Windows that keep no finished latents (overlap 0) are for models trained at
  one noise level per clip: a last window that overlaps finished latents would
  mix levels, so it is filled up instead.
  """
  if options.overlap:
    return latents
  return -(-latents // options.window) * options.window


def fill_windows(
  model: Model, options: RenderOptions, cameras: Cameras
) -> Cameras:
  """Cameras [B T] -> [B T'] that fill whole latents and whole windows.

  Frames that fill no latent are dropped; the last camera is repeated where
  `whole_windows` asks for more.
  """
  codec = model.target_codec
  latents = horizon(model, cameras.extrinsics.shape[1])
  whole = codec.frames(whole_windows(options, latents))
  index = np.minimum(np.arange(whole), codec.frames(latents) - 1)
  return jax.tree.map(lambda a: jnp.asarray(a)[:, index], cameras)


def render_schedule(options: RenderOptions, latents: int) -> WindowSchedule:
  """The schedule of a video of `latents` latents, shifted."""
  plan = schedule(
    options.sampler,
    latents,
    options.steps,
    options.window,
    options.overlap,
    uncertainty_scale=options.uncertainty_scale,
  )
  return dataclasses.replace(plan, levels=shift(plan.levels, options.shift))


def render_latents(
  model: Model,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  noise: Array,
  options: RenderOptions,
) -> Array:
  """A video's normalised latents [B L h w C], as a part of a jitted function.

  params: {"decoder": ...}. tokens: [B N C]. cameras: [B T] of L whole latents,
  relative to the tokens' reference. noise: [B L h w C], by video_noise.
  `video.render_video` is for long videos, progress and interruptions.
  """
  plan = render_schedule(options, noise.shape[1])
  cache = velocity.token_kv_cache(model, params, tokens, options.guidance > 1)
  path: Any = cameras
  if windows.embeddable(model, plan):
    path = velocity.embed_path(model, params, cameras)
  step = windows.window_step(model, params, cache, path, plan.size, options)
  table = windows.window_steps(model, plan, options.solver, options.reuse)
  start = windows.start_state(model, noise, options)
  return run_steps(step, start, jax.tree.map(jnp.asarray, table)).x


def one_step_latents(
  model: Model,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  noise: Array,
  window: int,
) -> Array:
  """The conditional mean: the clean estimate at pure noise, per window.

  Arguments as for render_latents; the video is cut into windows of `window`
  latents, the last of which may overlap the one before.
  """
  codec, latents = model.target_codec, noise.shape[1]
  size = min(window, latents)
  starts = np.minimum(np.arange(0, latents, size), latents - size)
  first = codec.grouping.latent_to_frame(starts)
  cache = velocity.token_kv_cache(model, params, tokens, False)

  def step(x: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
    start, frame = now
    part = jax.lax.dynamic_slice_in_dim(noise, start, size, axis=1)
    path = windows.slice_cameras(cameras, frame, codec.frames(size))
    t = jnp.ones(part.shape[:2])
    flow = velocity.predict_velocity(model, params, part, t, path, cache)
    part = clean_estimate(part, flow, t)
    return jax.lax.dynamic_update_slice_in_dim(x, part, start, axis=1), None

  x, _ = jax.lax.scan(step, noise, (jnp.asarray(starts), jnp.asarray(first)))
  return x


def video_noise(model: Model, key: Array, batch: int, latents: int) -> Array:
  """Standard normal start [batch, latents, h, w, C]."""
  shape = model.latent_shape(model.target_codec)
  return jax.random.normal(key, (batch, latents, *shape), jnp.float32)
