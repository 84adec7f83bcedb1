"""Scene tokens to frames along a camera path, in sliding windows."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.flow.path import clean_estimate, euler_step
from scenetok_jax.flow.solvers import guide
from scenetok_jax.flow.timesteps import model_timestep, shift
from scenetok_jax.flow.windows import WindowSchedule, schedule
from scenetok_jax.geometry.latent_frames import latent_to_frame
from scenetok_jax.sampling.system import System
from scenetok_jax.types import Array, Cameras, InputError


@dataclasses.dataclass(frozen=True)
class RenderOptions:
  """How to denoise a video; see flow.windows.schedule.

  shift: timestep shift of the noise levels; guidance: 1 is none.
  """

  sampler: str = "full_sequence"
  steps: int = 25
  window: int = 8
  clean: int = 4
  guidance: float = 1.0
  shift: float = 1.0

  @classmethod
  def of(cls, config: ConfigDict) -> "RenderOptions":
    """From config.sampling."""
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in config.items() if k in names})


def horizon(system: System, frames: int) -> int:
  """Latents that `frames` frames fill.

  Raises:
    InputError: too few frames for one latent.
  """
  codec = system.target_codec
  count = codec.latents(frames)
  if not count:
    raise InputError(
      f"trajectory: {frames} frames do not fill one latent of the "
      f"{codec.name} codec; give a longer path"
    )
  return count


def render_schedule(options: RenderOptions, latents: int) -> WindowSchedule:
  """The schedule of a video of `latents` latents, shifted."""
  plan = schedule(
    options.sampler,
    latents,
    options.steps,
    options.window,
    options.clean,
  )
  return dataclasses.replace(plan, levels=shift(plan.levels, options.shift))


def predict_velocity(
  system: System,
  params: Any,
  x: Array,
  t: Array,
  cameras: Cameras,
  tokens: Array,
  guidance: float = 1.0,
) -> Array:
  """x [B L h w C] at levels t [B L] -> velocity, guided if guidance > 1."""

  def velocity(unconditional: Array | bool) -> Array:
    return system.decoder.apply(
      {"params": params["decoder"]},
      x,
      model_timestep(t),
      cameras,
      tokens,
      unconditional,
    )

  if guidance <= 1:
    return velocity(False)
  return guide(velocity(False), velocity(True), guidance)


def render_latents(
  system: System,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  noise: Array,
  plan: WindowSchedule,
  guidance: float = 1.0,
) -> Array:
  """Denoises a video window by window, as one scan over all global steps.

  Args:
    system: the networks.
    params: {"decoder": ...}.
    tokens: [B N C].
    cameras: [B T], relative to the tokens' reference, T whole latents.
    noise: [B L h w C] standard normal start.
    plan: from render_schedule.
    guidance: classifier-free guidance scale, 1 for none.

  Returns:
    [B L h w C] normalised latents.
  """
  step = window_step(system, params, tokens, cameras, plan, guidance)
  x, _ = jax.lax.scan(
    lambda x, row: (step(x, row), None), noise, plan_rows(system, plan)
  )
  return x


class Row(NamedTuple):
  """One global step: window start, its first frame, levels before and after.

  start, frame [G] int; level, level_next [G L] in a table, one row less here.
  """

  start: Array
  frame: Array
  level: Array
  level_next: Array


def plan_rows(system: System, plan: WindowSchedule) -> Row:
  """The table of all global steps of a schedule."""
  codec = system.target_codec
  first = latent_to_frame(plan.starts, codec.frames_per_latent, codec.chunked)
  rows = Row(
    plan.starts[:-1],
    np.asarray(first)[:-1],
    plan.levels[:-1],
    plan.levels[1:],
  )
  return jax.tree.map(jnp.asarray, rows)


def window_step(
  system: System,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  plan: WindowSchedule,
  guidance: float,
) -> Callable[[Array, Row], Array]:
  """One global step, a function of the video x [B L h w C] and its row."""
  frames = system.target_codec.frames(plan.size)

  def step(x: Array, row: Row) -> Array:
    window = jax.lax.dynamic_slice_in_dim(x, row.start, plan.size, axis=1)
    t, t_next = (
      jnp.broadcast_to(
        jax.lax.dynamic_slice_in_dim(level, row.start, plan.size),
        window.shape[:2],
      )
      for level in (row.level, row.level_next)
    )
    path = _slice_cameras(cameras, row.frame, frames)
    velocity = predict_velocity(
      system, params, window, t, path, tokens, guidance
    )
    window = euler_step(window, velocity, t, t_next)
    return jax.lax.dynamic_update_slice_in_dim(x, window, row.start, axis=1)

  return step


def one_step_latents(
  system: System,
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
  codec = system.target_codec
  latents = noise.shape[1]
  size = min(window, latents)
  starts = np.minimum(np.arange(0, latents, size), latents - size)
  first = latent_to_frame(starts, codec.frames_per_latent, codec.chunked)

  def step(x: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
    start, frame = now
    part = jax.lax.dynamic_slice_in_dim(noise, start, size, axis=1)
    path = _slice_cameras(cameras, frame, codec.frames(size))
    t = jnp.ones(part.shape[:2])
    velocity = predict_velocity(system, params, part, t, path, tokens)
    part = clean_estimate(part, velocity, t)
    return jax.lax.dynamic_update_slice_in_dim(x, part, start, axis=1), None

  x, _ = jax.lax.scan(step, noise, (jnp.asarray(starts), jnp.asarray(first)))
  return x


def _slice_cameras(cameras: Cameras, first: Array, frames: int) -> Cameras:
  """Cameras [B T] -> the `frames` cameras from index `first` on."""
  return jax.tree.map(
    lambda a: jax.lax.dynamic_slice_in_dim(a, first, frames, axis=1), cameras
  )


def video_noise(system: System, key: Array, batch: int, latents: int) -> Array:
  """Standard normal start [batch, latents, h, w, C]."""
  shape = system.latent_shape(system.target_codec)
  return jax.random.normal(key, (batch, latents, *shape), jnp.float32)


def decode_latents(system: System, latents: Array) -> Array:
  """Normalised latents [B L h w C] -> images [B T H W 3] in [0, 1]."""
  return system.target_codec.decode(system.target_codec.params, latents)
