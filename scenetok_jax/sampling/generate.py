"""New scenes: diffusion over scene tokens, given posed images and anchors."""

import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.flow import solvers
from scenetok_jax.flow.timesteps import model_timestep, shift
from scenetok_jax.generator.scenegen import ConditionKVCache
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.parallel.rules import shard_batch
from scenetok_jax.sampling.options import GenerateOptions
from scenetok_jax.sampling.slices import Progress, pad_rows, run_slices, silent
from scenetok_jax.types import Array, Cameras, InputError, Views


def anchor_indices(frames: int, anchors: int) -> np.ndarray:
  """Frames of a path that serve as anchors: linspace, truncated (release)."""
  return np.linspace(0, frames - 1, anchors).astype(int)


class SceneCondition(NamedTuple):
  """What a new scene is asked to show.

  latents: [B V h w C'] normalised latents of the conditioning views.
  cameras: [B V], relative to conditioning view 0 (absolute poses mean nothing
    to the network).
  anchors: [B A], relative to the same view.
  visible: [B V] bool: which of the V slots hold a view.
  """

  latents: Array
  cameras: Cameras
  anchors: Cameras
  visible: Array


def fill_slots(
  views: Views, slots: int, where: str
) -> tuple[Views, np.ndarray]:
  """Given views [B V] in the generator's slots, and which are filled [B S].

  Empty slots repeat the last view and are masked (release). where: starts the
  message of the InputError for more views than slots.
  """
  batch, count = views.cameras.extrinsics.shape[:2]
  if count > slots:
    raise InputError(
      f"{where}: {count} given views; this generator reads 1 to {slots}"
    )
  chosen = np.minimum(np.arange(slots), count - 1)
  views = jax.tree.map(lambda a: np.asarray(a)[:, chosen], views)
  return views, np.tile(np.arange(slots) < count, (batch, 1))


def generate_tokens(
  model: Model,
  params: Any,
  condition: SceneCondition,
  noise: Array,
  options: GenerateOptions,
) -> Array:
  """Tokens of new scenes [B N C], unscaled, as a part of a jitted function.

  params: {"generator": ...}. noise: [B N C], by token_noise.
  """
  solver = solvers.get_solver(options.solver)
  cache = condition_kv_cache(model, params, condition, options.guidance != 1)
  field = cached_velocity(model, params, cache, options.guidance)
  tokens = solvers.integrate(
    solver, field, noise, solver.steps(token_levels(options))
  )
  return tokens / options.scale_factor


class TokenProgram:
  """The compiled parts of generation; they serve every scene and schedule.

  options: for whose solver, and whether with guidance.
  """

  def __init__(self, model: Model, options: GenerateOptions):
    self.model, self.solver = model, solvers.get_solver(options.solver)
    guided = options.guidance != 1
    cache = functools.partial(condition_kv_cache, model, guided=guided)
    self.cache, self.run = jax.jit(cache), jax.jit(self._run)

  def _run(
    self,
    params: Any,
    cache: KVCache,
    guidance: Array,
    steps: solvers.SolverStep,
    state: solvers.SolverState,
    *part: Array,
  ) -> solvers.SolverState:
    """The state after a part of the steps: from a first to a last one."""
    field = cached_velocity(self.model, params, cache, guidance)
    step = functools.partial(self.solver.step, field)
    return solvers.run_steps(step, state, steps, *part)


def sample_tokens(
  program: TokenProgram,
  params: Any,
  condition: SceneCondition,
  noise: Array,
  options: GenerateOptions,
  progress: Progress = silent,
) -> Array:
  """generate_tokens, slice by slice on the devices of the current mesh."""
  params = {"generator": params["generator"]}
  cache = program.cache(params, shard_batch(condition))
  steps = pad_rows(program.solver.steps(token_levels(options)))
  run = functools.partial(
    program.run, params, cache, jnp.float32(options.guidance), steps
  )
  start = program.solver.start(shard_batch(noise))
  state = run_slices(run, start, options.steps, progress)
  return state.x / options.scale_factor


def token_levels(options: GenerateOptions) -> np.ndarray:
  """Noise levels of the schedule: [steps + 1]."""
  return shift(solvers.linear_levels(options.steps), options.shift)


def condition_kv_cache(
  model: Model, params: Any, condition: SceneCondition, guided: bool
) -> KVCache:
  """What every cross-attention knows of the condition, for one or two passes.

  The second, unconditional pass sees no view; anchors stay (release).
  """
  assert model.generator is not None
  visible = jnp.asarray(condition.visible)
  passes = (visible, jnp.zeros_like(visible)) if guided else (visible,)
  cache = ConditionKVCache(model.generator).apply(
    {"params": params["generator"]}, *condition[:3], jnp.stack(passes, axis=1)
  )
  return cast(KVCache, cache)


def cached_velocity(
  model: Model, params: Any, cache: KVCache, guidance: Array | float
) -> solvers.Velocity:
  """The guided velocity of scaled tokens; both passes are one batch."""
  generator = model.generator
  assert generator is not None

  def velocity(x: Array, t: Array) -> Array:
    timestep = jnp.broadcast_to(model_timestep(t), x.shape[:2])
    out = generator.apply({"params": params["generator"]}, x, timestep, cache)
    if len(out) == len(x):
      return out
    conditional, unconditional = rearrange(
      out, "(b pair) ... -> pair b ...", pair=2
    )
    return solvers.guide(conditional, unconditional, guidance)

  return velocity


def token_noise(model: Model, key: Array, batch: int) -> Array:
  """Standard normal start [batch, N, C]."""
  return jax.random.normal(key, (batch, *model.token_shape), jnp.float32)
