"""Scene tokens to a finished video, slice by slice, with progress."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange, repeat

from scenetok_jax.flow.solvers import SolverState, get_solver, run_steps
from scenetok_jax.flow.windows import WindowSchedule
from scenetok_jax.io import to_uint8
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.parallel.rules import constrain, shard_batch
from scenetok_jax.sampling import render
from scenetok_jax.sampling import window as windows
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.scene_file import codec_digest
from scenetok_jax.sampling.slices import Progress, pad_rows, run_slices, silent
from scenetok_jax.sampling.state_file import StateFile
from scenetok_jax.sampling.velocity import embed_path, token_kv_cache
from scenetok_jax.types import Array, Cameras, InputError


def video_plan(
  model: Model, options: RenderOptions, frames: int
) -> WindowSchedule:
  """The schedule of a video of up to `frames` frames.

  Raises:
    InputError: the path is shorter than one window.
  """
  latents = model.target_codec.latents(frames)
  if latents < options.window:
    least = model.target_codec.frames(options.window)
    raise InputError(
      f"trajectory: {frames} frames are fewer than one window of {least};"
      " give a longer path"
    )
  return render.render_schedule(options, render.whole_windows(options, latents))


@dataclasses.dataclass(frozen=True)
class VideoProgram:
  """The compiled parts of rendering; they serve every scene and path.

  Step counts, guidance scales above 1 and paths of about the same length
  share one compilation.

  cache: (params, tokens [B N C]) -> KVCache. embed: (params, cameras [B T])
  -> [B L n D]. run: (params, KVCache, path, table of steps, guidance, state,
  first, last) -> state. decode: (codec parameters, [B L h w C]) -> uint8 parts
  [B t H W 3] on the host, one of which is in the device's memory.
  """

  model: Model
  options: RenderOptions
  cache: Callable[..., KVCache]
  embed: Callable[..., Array]
  run: Callable[..., SolverState]
  decode: Callable[[Any, Array], Iterator[np.ndarray]]


def video_program(model: Model, options: RenderOptions) -> VideoProgram:
  """Programs for the solver, guidance interval and window of `options`."""

  @functools.partial(jax.jit, static_argnames="size")
  def run(
    params: Any,
    cache: KVCache,
    path: Cameras | Array,
    table: windows.WindowStep,
    guidance: Array,
    video: SolverState,
    first: Array,
    last: Array,
    *,
    size: int,
  ) -> SolverState:
    traced: Any = dataclasses.replace(options, guidance=guidance)
    step = windows.window_step(model, params, cache, path, size, traced)
    return run_steps(step, video, table, first, last)

  to_bytes = jax.jit(to_uint8)

  def decode(params: Any, latents: Array) -> Iterator[np.ndarray]:
    for part in model.target_codec.decode_parts(params, latents):
      yield np.asarray(to_bytes(part))

  cache = functools.partial(token_kv_cache, model, guided=options.guidance > 1)
  embed = functools.partial(embed_path, model)
  return VideoProgram(
    model, options, jax.jit(cache), jax.jit(embed), run, decode
  )


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
) -> np.ndarray:
  """Scenes along camera paths: uint8 [B S T H W 3].

  params: {"decoder": ...}. tokens: [B N C] float32. cameras: [B T], relative
  to the tokens' reference; frames that fill no latent are dropped. key: draws
  the starting noise. samples: videos S of each scene; what its tokens decide
  is computed once. options: another number of steps, shift or guidance scale
  than the program's own; the solver, the window and whether to guide stay.
  progress: told after every few seconds. state: file in which an interrupted
  run is kept and continued from, by the networks of this `identity` alone.
  """
  options = options or program.options
  model, params = program.model, {"decoder": params["decoder"]}
  asked = cameras.extrinsics.shape[1]
  plan = video_plan(model, options, asked)
  cameras = render.fill_windows(model, options, cameras)
  latents = plan.levels.shape[1]
  room = -(-latents // options.window) * options.window
  noise = render.video_noise(model, key, len(tokens) * samples, latents)
  video = get_solver(options.solver).start(shard_batch(_fill(noise, room)))
  cache, path = _prepare(
    program,
    params,
    tokens,
    cameras,
    samples,
    room,
    windows.embeddable(model, plan),
  )
  table = windows.window_steps(model, plan, options.solver)
  levels = jax.tree.map(lambda a: _fill(a, room), table.step)
  table = pad_rows(table._replace(step=levels))
  file, first = None, 0
  if state:
    inputs = (tokens, cameras, jax.random.key_data(key))
    networks = (identity, codec_digest(model.target_codec))
    file = StateFile(state, digest(inputs, f"{options} {samples} {networks}"))
    if found := file.load():
      video, first = shard_batch(found[0]), found[1]
  guidance = jnp.float32(options.guidance)

  def run(video: SolverState, start: int, stop: int) -> SolverState:
    return program.run(
      params, cache, path, table, guidance, video, start, stop, size=plan.size
    )

  def save(video: SolverState, done: int) -> None:
    if file:
      file.save(video, done)

  video = run_slices(run, video, plan.steps, progress, first=first, save=save)
  codec = model.target_codec.params
  parts = list(program.decode(codec, video.x[:, :latents]))
  images = np.concatenate(parts, axis=1)[:, :asked]
  return rearrange(images, "(b s) ... -> b s ...", s=samples)


def _prepare(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Cameras,
  samples: int,
  room: int,
  embed: bool,
) -> tuple[KVCache, Cameras | Array]:
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
  path = shard_batch(jax.tree.map(lambda a: _fill(a, length), path))
  return cache, path


def _fill(array: Array, length: int) -> Array:
  """[B L ...] -> [B length ...]; the added entries are never looked at."""
  xp = np if isinstance(array, np.ndarray) else jnp
  size = [(0, 0)] * array.ndim
  size[1] = (0, length - array.shape[1])
  return xp.pad(array, size)
