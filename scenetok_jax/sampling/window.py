"""One global step of a sliding-window render."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow.solvers import (
  SolverState,
  SolverStep,
  Velocity,
  get_solver,
)
from scenetok_jax.flow.windows import WindowSchedule
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.sampling.velocity import predict_velocity
from scenetok_jax.types import Array, Cameras


class WindowStep(NamedTuple):
  """One global step; a table of them has a leading axis [G].

  start, frame: first latent and first frame of the window. step: levels [L]
  of all latents of the video.
  """

  start: Array
  frame: Array
  step: SolverStep


def window_steps(model: Model, plan: WindowSchedule, solver: str) -> WindowStep:
  """The table of all global steps of a schedule, NumPy."""
  frames = model.target_codec.grouping.latent_to_frame(plan.starts)
  steps = get_solver(solver).steps(plan.levels)
  return WindowStep(plan.starts[:-1], np.asarray(frames)[:-1], steps)


def window_step(
  model: Model,
  params: Any,
  tokens: Array | KVCache,
  cameras: Cameras | Array,
  size: int,
  solver: str = "euler",
  guidance: Array | float = 1.0,
  interval: tuple[float, float] = (0.0, 1.0),
) -> Callable[[SolverState, WindowStep], SolverState]:
  """One global step as a function of the video [B L h w C] and its row.

  Args:
    model, params: see render.render_latents.
    tokens: [B N C] or, computed once, their cache.
    cameras: [B T], or the embedding of the whole path where windows start on
      whole groups of latents (`embeddable`).
    size: latents in a window.
    solver, guidance, interval: see render.RenderOptions.
  """
  frames = model.target_codec.frames(size)

  def step(video: SolverState, row: WindowStep) -> SolverState:
    def cut(array: Array) -> Array:
      return jax.lax.dynamic_slice_in_dim(array, row.start, size, axis=1)

    def put(whole: Array, part: Array) -> Array:
      return jax.lax.dynamic_update_slice_in_dim(whole, part, row.start, axis=1)

    window = jax.tree.map(cut, video)
    now = jax.tree.map(
      lambda values: jnp.broadcast_to(
        jax.lax.dynamic_slice_in_dim(values, row.start, size),
        window.x.shape[:2],
      ),
      row.step,
    )
    path = (
      slice_cameras(cameras, row.frame, frames)
      if isinstance(cameras, Cameras)
      else cut(cameras)
    )
    velocity = _velocity(
      model, params, path, tokens, guidance, interval, now.t != now.t_next
    )
    found = get_solver(solver).step(velocity, window, now)
    return jax.tree.map(put, video, found)

  return step


def _velocity(
  model: Model,
  params: Any,
  path: Cameras | Array,
  tokens: Array | KVCache,
  guidance: Array | float,
  interval: tuple[float, float],
  moving: Array,
) -> Velocity:
  """Velocity of one window; outside the interval it takes a single pass."""

  def velocity(x: Array, t: Array) -> Array:
    def predict(tokens: Array | KVCache, guidance: Array | float) -> Array:
      return predict_velocity(model, params, x, t, path, tokens, guidance)

    whole = tuple(interval) == (0.0, 1.0)
    if not isinstance(tokens, KVCache) or tokens.null is None or whole:
      return predict(tokens, guidance)
    inside = moving & (t >= interval[0]) & (t <= interval[1])
    return jax.lax.cond(
      jnp.any(inside),
      lambda: predict(tokens, jnp.where(inside, guidance, 1.0)),
      lambda: predict(dataclasses.replace(tokens, null=None), 1.0),
    )

  return velocity


def embeddable(model: Model, plan: WindowSchedule) -> bool:
  """Whether one embedding of the whole path serves every window.

  Latents that cover frames alike always do; chunks only if windows start on
  them.
  """
  return not np.any(plan.starts % model.target_codec.grouping.unit_latents)


def slice_cameras(cameras: Cameras, first: Array, frames: int) -> Cameras:
  """Cameras [B T] -> the `frames` cameras from index `first` on."""
  return jax.tree.map(
    lambda a: jax.lax.dynamic_slice_in_dim(a, first, frames, axis=1), cameras
  )
