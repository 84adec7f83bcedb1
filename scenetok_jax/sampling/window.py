"""One global step of a sliding-window render."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import dynamic_slice_in_dim, dynamic_update_slice_in_dim

from scenetok_jax.decoder.dit import CameraTokens
from scenetok_jax.flow.solvers import SolverState, SolverStep, get_solver
from scenetok_jax.flow.windows import WindowSchedule
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.velocity import (
  predict_velocity,
  velocity_and_residual,
)
from scenetok_jax.types import Array, Cameras


class WindowStep(NamedTuple):
  """One global step; a table of them has a leading axis [G].

  start, frame: first latent and first frame of the window. step: levels [L]
  of all latents of the video. reuse: whether the residual of the last computed
  step serves (flow.caching).
  """

  start: Array
  frame: Array
  step: SolverStep
  reuse: Array


def window_steps(
  model: Model, plan: WindowSchedule, solver: str, reuse: Sequence[bool] = ()
) -> WindowStep:
  """The table of all global steps of a schedule, NumPy.

  reuse: by the step of a window, see RenderOptions; none where it is empty.
  """
  frames = model.target_codec.grouping.latent_to_frame(plan.starts)
  steps = get_solver(solver).steps(plan.levels)
  starts = plan.starts[:-1]
  moved = np.flatnonzero(np.diff(starts, prepend=-1))  # steps that begin one
  number = np.arange(len(starts)) - np.repeat(
    moved, np.diff(moved, append=len(starts))
  )
  reused = np.zeros(len(starts), bool)
  if reuse:
    reused = np.asarray(reuse)[number]
  return WindowStep(starts, np.asarray(frames)[:-1], steps, reused)


def start_state(
  model: Model, noise: Array, options: RenderOptions
) -> SolverState:
  """The state before the first step of a video of noise [B L h w C]."""
  state = get_solver(options.solver).start(noise)
  if not options.reuse:
    return state
  batch, latents, height, width, _ = noise.shape
  net, passes = model.decoder, 2 if options.guidance > 1 else 1
  tokens = (height // net.patch) * (width // net.patch)
  shape = (batch * passes, latents, tokens, net.width)
  return state._replace(residual=jnp.zeros(shape, jnp.float32))


def window_step(
  model: Model,
  params: Any,
  cache: KVCache,
  path: Cameras | CameraTokens,
  size: int,
  options: RenderOptions,
) -> Callable[[SolverState, WindowStep], SolverState]:
  """One global step as a function of the video [B L h w C] and its row.

  params: {"decoder": ...}. cache: of the tokens. path: cameras [B T], or
  embed_path of the whole path where windows start on whole groups of latents
  (`embeddable`). size: latents in a window. options: solver, interval and
  guidance, which may be traced; outside the interval the network takes a
  single pass. A straight solver goes by the average velocity of each step
  where the network knows it (config.decoder.interval). A video with a residual
  is rendered by solvers that look once at a step, guided at all levels.
  """
  frames = model.target_codec.frames(size)
  low, high = options.interval
  plain = dataclasses.replace(cache, null=None)
  solver = get_solver(options.solver)
  averages = solver.straight and model.decoder.interval

  def step(video: SolverState, row: WindowStep) -> SolverState:
    def cut(array: Array) -> Array:
      return dynamic_slice_in_dim(array, row.start, size, axis=1)

    def put(whole: Array, part: Array) -> Array:
      return dynamic_update_slice_in_dim(whole, part, row.start, axis=1)

    window = jax.tree.map(cut, video)
    now = jax.tree.map(
      lambda levels: jnp.broadcast_to(
        dynamic_slice_in_dim(levels, row.start, size), window.x.shape[:2]
      ),
      row.step,
    )
    views = (
      slice_cameras(path, row.frame, frames)
      if isinstance(path, Cameras)
      else jax.tree.map(cut, path)
    )

    def velocity(x: Array, t: Array) -> Array:
      def predict(cache: KVCache, guidance: Array | float) -> Array:
        start = now.t_next if averages else None
        return predict_velocity(
          model, params, x, t, views, cache, guidance, start
        )

      if cache.null is None or (low, high) == (0.0, 1.0):
        return predict(cache, options.guidance)
      inside = (now.t != now.t_next) & (t >= low) & (t <= high)
      return jax.lax.cond(
        jnp.any(inside),
        lambda: predict(cache, jnp.where(inside, options.guidance, 1.0)),
        lambda: predict(plain, 1.0),
      )

    def cached() -> SolverState:
      """The same where steps may reuse the residual of an earlier one."""

      def predict(residual: Array | None) -> tuple[Array, Array]:
        return velocity_and_residual(
          *(model, params, window.x, now.t, views, cache),
          guidance=options.guidance,
          residual=residual,
        )

      flow, residual = jax.lax.cond(
        row.reuse, lambda: predict(window.residual), lambda: predict(None)
      )
      found = solver.step(lambda x, t: flow, window, now)
      return found._replace(residual=residual)

    keeps = window.residual is not None
    found = cached() if keeps else solver.step(velocity, window, now)
    return jax.tree.map(put, video, found)

  return step


def embeddable(model: Model, plan: WindowSchedule) -> bool:
  """Whether one embedding of the whole path serves every window.

  Latents that cover frames alike always do; chunks only if windows start on
  them.
  """
  return not np.any(plan.starts % model.target_codec.grouping.unit_latents)


def slice_cameras(cameras: Cameras, first: Array, frames: int) -> Cameras:
  """Cameras [B T] -> the `frames` cameras from index `first` on."""
  return jax.tree.map(
    lambda a: dynamic_slice_in_dim(a, first, frames, axis=1), cameras
  )
