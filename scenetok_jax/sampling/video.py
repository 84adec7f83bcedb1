"""Scene tokens to a finished video, slice by slice, with progress."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange, repeat

from scenetok_jax.codecs.check import finite_frames
from scenetok_jax.decoder.dit import CameraTokens
from scenetok_jax.flow.solvers import SolverState, run_steps
from scenetok_jax.flow.windows import WindowSchedule
from scenetok_jax.io import to_uint8
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.parallel.rules import constrain, shard_batch
from scenetok_jax.sampling import render, slices
from scenetok_jax.sampling import window as windows
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import codec_digest
from scenetok_jax.sampling.slices import Progress, StateFile, silent
from scenetok_jax.sampling.velocity import embed_path, extend, token_kv_cache
from scenetok_jax.types import Array, Cameras, InputError


def video_plan(
  model: Model, options: RenderOptions, frames: int
) -> WindowSchedule:
  """The schedule of up to `frames` frames; InputError below one window."""
  latents = model.target_codec.latents(frames)
  if latents < options.window:
    least = model.target_codec.frames(options.window)
    raise InputError(
      f"trajectory: {frames} frames are fewer than one window of {least};"
      " give a longer path"
    )
  return render.render_schedule(options, render.whole_windows(options, latents))


class VideoProgram:
  """The compiled parts of rendering; they serve every scene and path.

  Step counts, guidance scales above 1 and paths of about the same length
  share one compilation.

  options: for whose solver, guidance interval and window.
  """

  def __init__(self, model: Model, options: RenderOptions):
    self.model, self.options = model, options
    guided = options.guidance > 1
    cache = functools.partial(token_kv_cache, model, guided=guided)
    self.cache = jax.jit(cache)
    self.embed = jax.jit(functools.partial(embed_path, model))
    self.run = jax.jit(self._run, static_argnames="size")
    self.finite = jax.jit(finite_frames)
    self.shown = jax.jit(
      lambda images: (to_uint8(images), finite_frames(images))
    )

  def _run(
    self,
    params: Any,
    cache: KVCache,
    path: Cameras | CameraTokens,
    table: windows.WindowStep,
    guidance: Array,
    video: SolverState,
    *part: Array,
    size: int,
  ) -> SolverState:
    """The video after a part of the steps: from a first to a last one."""
    traced: Any = dataclasses.replace(self.options, guidance=guidance)
    step = windows.window_step(self.model, params, cache, path, size, traced)
    return run_steps(step, video, table, *part)

  def decode(
    self, params: Any, latents: Array, names: Sequence[str] = ()
  ) -> Iterator[np.ndarray]:
    """[B L h w C] -> uint8 parts [B t H W 3] on the host.

    params: of the codec. One part at a time is in the device's memory. names:
    of the videos, for messages.
    Raises InputError: a video that is not finite, which bytes would not show.
    """
    _check_finite(self.finite(latents), names, "latent")
    first = 0
    for part in self.model.target_codec.decode_parts(params, latents):
      images, finite = self.shown(part)
      _check_finite(finite, names, "frame", first)
      first += images.shape[1]
      yield np.asarray(images)


def render_video(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  key: Array,
  *,
  samples: int = 1,
  options: RenderOptions | None = None,
  progress: Progress = silent,
  state: Path | None = None,
  identity: str = "",
  names: Sequence[str] = (),
) -> np.ndarray:
  """Scenes along camera paths: uint8 [B S T H W 3].

  params: {"decoder": ...}. tokens: [B N C] float32. cameras: [B T], relative
  to the tokens' reference; frames that fill no latent are dropped. key: draws
  the starting noise. samples: videos S of each scene; what its tokens decide
  is computed once. options: another number of steps, shift or guidance scale
  than the program's own; the solver, the window and whether to guide stay.
  progress: told after every few seconds. state: file in which an interrupted
  run is kept and continued from, by the networks of this `identity` alone.
  names: of the scenes, for messages.
  Raises InputError: a path below one window, or a video that is not finite.
  """
  options = options or program.options
  begun = begin(program, params, tokens, cameras, key, samples, options)
  file = None
  if state:
    inputs = (tokens, begun.cameras, jax.random.key_data(key))
    codec = codec_digest(program.model.target_codec)
    settings = f"{options} {samples} {(identity, codec)}"
    file = StateFile(state, digest(inputs, settings))
  video = slices.run_slices(
    begun.run, begun.state, begun.plan.steps, progress, file
  )
  latents = video.x[:, : begun.plan.levels.shape[1]]
  each = np.repeat(names, samples).tolist()
  parts = program.decode(program.model.target_codec.params, latents, each)
  asked = cameras.extrinsics.shape[1]
  images = np.concatenate(list(parts), axis=1)[:, :asked]
  return rearrange(images, "(b s) ... -> b s ...", s=samples)


class Begun(NamedTuple):
  """A rendering before its first step.

  run: (state, first step, last step) -> state. cameras: as it takes them.
  """

  run: Callable[[SolverState, int, int], SolverState]
  state: SolverState
  plan: WindowSchedule
  cameras: Cameras


def begin(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  key: Array,
  samples: int,
  options: RenderOptions,
) -> Begun:
  """Arguments and errors as for render_video."""
  model, params = program.model, {"decoder": params["decoder"]}
  plan = video_plan(model, options, cameras.extrinsics.shape[1])
  cameras = render.fill_windows(model, options, cameras)
  latents = plan.levels.shape[1]
  room = -(-latents // options.window) * options.window
  noise = render.video_noise(model, key, len(tokens) * samples, latents)
  video = windows.start_state(model, extend(noise, room), options)
  video = shard_batch(video)
  embed = windows.embeddable(model, plan)
  cache, path = _prepare(program, params, tokens, cameras, samples, room, embed)
  table = windows.window_steps(model, plan, options.solver, options.reuse)
  levels = jax.tree.map(lambda a: extend(a, room), table.step)
  table = slices.pad_rows(table._replace(step=levels))
  guidance = jnp.float32(options.guidance)
  run = functools.partial(
    program.run, params, cache, path, table, guidance, size=plan.size
  )
  return Begun(run, video, plan, cameras)


def _check_finite(
  finite: Array, names: Sequence[str], what: str, first: int = 0
) -> None:
  """InputError naming a video [B] and its latent or frame [B T]."""
  for video, number in np.argwhere(~np.asarray(finite))[:1]:
    name = f"scene {names[video]}" if len(names) else f"video {video}"
    raise InputError(
      f"{name}: {what} {first + number} of the rendering is NaN or Inf; lower"
      " --guidance, take another path or tokens, or another checkpoint"
    )


def _prepare(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  samples: int,
  room: int,
  embed: bool,
) -> tuple[KVCache, Cameras | CameraTokens]:
  """KVCache and path of every video, from one computation per scene."""
  tokens, cameras = shard_batch((jnp.asarray(tokens), cameras))
  cache = program.cache(params, tokens)
  path = program.embed(params, cameras) if embed else cameras
  length = room if embed else program.model.target_codec.frames(room)
  if samples > 1:
    # The null token's share has no batch axis.
    key, value = (
      constrain(
        repeat(a, "l b ... -> l (b s) ...", s=samples),
        *(None, "batch", None, None, None),
      )
      for a in (cache.key, cache.value)
    )
    cache = dataclasses.replace(cache, key=key, value=value)
    path = jax.tree.map(
      lambda a: repeat(a, "b ... -> (b s) ...", s=samples), path
    )
  path = shard_batch(jax.tree.map(lambda a: extend(a, length), path))
  return cache, path
