"""Scene tokens to a finished video, slice by slice, with progress."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow.windows import WindowSchedule
from scenetok_jax.sampling.render import (
  RenderOptions,
  Row,
  decode_latents,
  horizon,
  plan_rows,
  render_schedule,
  video_noise,
  window_step,
)
from scenetok_jax.sampling.session import Report, advance, run_slices
from scenetok_jax.sampling.system import System
from scenetok_jax.types import Array, Cameras, InputError


def video_plan(
  system: System, options: RenderOptions, frames: int
) -> WindowSchedule:
  """The schedule of a video of up to `frames` frames.

  Raises:
    InputError: the path is shorter than one window.
  """
  latents = horizon(system, frames)
  if latents < options.window:
    least = system.target_codec.frames(options.window)
    raise InputError(
      f"trajectory: {frames} frames are fewer than one window of {least};"
      " give a longer path"
    )
  return render_schedule(options, latents)


def render_video(
  system: System,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  key: Array,
  options: RenderOptions,
  report: Report = lambda steps: None,
) -> np.ndarray:
  """Renders scenes along camera paths.

  Args:
    system: the networks.
    params: {"decoder": ...}.
    tokens: [B N C] float32.
    cameras: [B T], relative to the tokens' reference; frames that fill no
      latent are dropped.
    key: draws the starting noise.
    options: schedule and guidance.
    report: told after every slice how many more steps are done.

  Returns:
    uint8 [B T H W 3].
  """
  plan = video_plan(system, options, cameras.extrinsics.shape[1])
  latents = plan.levels.shape[1]
  frames = system.target_codec.frames(latents)
  cameras = jax.tree.map(lambda a: jnp.asarray(a)[:, :frames], cameras)
  noise = video_noise(system, key, tokens.shape[0], latents)
  rows = plan_rows(system, plan)

  @jax.jit
  def run(
    params: Any,
    tokens: Array,
    cameras: Cameras,
    rows: Row,
    x: Array,
    first: Array,
    last: Array,
  ) -> Array:
    step = window_step(system, params, tokens, cameras, plan, options.guidance)
    return advance(step, x, rows, first, last)

  call = functools.partial(run, params, tokens, cameras, rows)
  x = run_slices(call, noise, plan.steps, report)
  return decode_video(system, x)


def decode_video(system: System, latents: Array) -> np.ndarray:
  """Normalised latents [B L h w C] -> uint8 [B T H W 3]."""
  decode = jax.jit(
    lambda x: jnp.round(decode_latents(system, x) * 255.0).astype(jnp.uint8)
  )
  return np.asarray(decode(latents))
