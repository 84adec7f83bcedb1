"""New scenes: diffusion over scene tokens, given posed images and anchors."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from ml_collections import ConfigDict

from scenetok_jax.flow.solvers import (
  SolverState,
  SolverStep,
  Velocity,
  get_solver,
  guide,
  integrate,
  linear_levels,
  run_steps,
)
from scenetok_jax.flow.timesteps import model_timestep, shift
from scenetok_jax.generator.scenegen import ConditionKVCache
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.parallel.placement import shard_batch
from scenetok_jax.sampling.slices import Report, pad_rows, run_slices
from scenetok_jax.types import Array, Cameras


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
  """steps and shift of the schedule; guidance 1 is none.

  scale_factor: tokens are generated times this factor (release: 0.1).
  solver: see flow.solvers.
  """

  steps: int = 150
  shift: float = 4.0
  guidance: float = 3.0
  scale_factor: float = 0.1
  solver: str = "euler"

  @classmethod
  def of(cls, config: ConfigDict) -> "GenerateOptions":
    """From config.generation."""
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in config.items() if k in names})


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


def generate_tokens(
  model: Model,
  params: Any,
  condition: SceneCondition,
  noise: Array,
  options: GenerateOptions,
  report: Report | None = None,
) -> Array:
  """Samples the tokens of a new scene.

  Args:
    model: the networks.
    params: {"generator": ...}.
    condition: views and anchors.
    noise: [B N C] standard normal start.
    options: schedule, solver and guidance.
    report: told after every few seconds how many more steps are done. None
      takes all steps in one program, so that it may be a part of a jitted
      function.

  Returns:
    [B N C] scene tokens, unscaled: ready for rendering.
  """
  params = {"generator": params["generator"]}
  guided, solver = options.guidance != 1, get_solver(options.solver)
  steps = solver.steps(token_levels(options))
  if report is None:
    cache = condition_kv_cache(model, params, condition, guided)
    field = cached_velocity(model, params, cache, options.guidance)
    tokens = integrate(solver, field, noise, steps)
    return tokens / options.scale_factor
  program = token_program(model, options.solver, guided)
  cache = program.cache(params, shard_batch(condition))
  inputs = (params, cache, pad_rows(steps), jnp.float32(options.guidance))
  state = run_slices(
    lambda *part: program.run(*inputs, *part),
    solver.start(shard_batch(noise)),
    options.steps,
    report,
  )
  return state.x / options.scale_factor


class TokenProgram(NamedTuple):
  """The compiled parts of generation; they serve every scene and schedule.

  cache: (params, condition) -> KVCache. run: (params, KVCache, table of
  steps, guidance, state, first, last) -> state.
  """

  cache: Callable[..., KVCache]
  run: Callable[..., SolverState]


@functools.lru_cache(maxsize=4)
def token_program(model: Model, solver: str, guided: bool) -> TokenProgram:
  """Compiled once for equal arguments."""

  @jax.jit
  def run(
    params: Any,
    cache: KVCache,
    steps: SolverStep,
    guidance: Array,
    state: SolverState,
    first: Array,
    last: Array,
  ) -> SolverState:
    field = cached_velocity(model, params, cache, guidance)
    step = functools.partial(get_solver(solver).step, field)
    return run_steps(step, state, steps, first, last)

  @jax.jit
  def cache(params: Any, condition: SceneCondition) -> KVCache:
    return condition_kv_cache(model, params, condition, guided)

  return TokenProgram(cache, run)


@functools.lru_cache
def token_levels(options: GenerateOptions) -> np.ndarray:
  """Noise levels of the schedule: [steps + 1]; computed once, at once."""
  with jax.ensure_compile_time_eval():
    return np.asarray(shift(linear_levels(options.steps), options.shift))


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
    {"params": params["generator"]},
    *condition[:3],
    jnp.stack(passes, axis=1),
  )
  return cast(KVCache, cache)


def cached_velocity(
  model: Model, params: Any, cache: KVCache, guidance: Array | float
) -> Velocity:
  """The guided velocity of scaled tokens; both passes are one batch."""
  assert model.generator is not None
  generator = model.generator

  def velocity(x: Array, t: Array) -> Array:
    timestep = jnp.broadcast_to(model_timestep(t), x.shape[:2])
    out = generator.apply({"params": params["generator"]}, x, timestep, cache)
    if len(out) == len(x):
      return out
    conditional, unconditional = rearrange(
      out, "(b pair) ... -> pair b ...", pair=2
    )
    return guide(conditional, unconditional, guidance)

  return velocity


def token_noise(model: Model, key: Array, batch: int) -> Array:
  """Standard normal start [batch, N, C]."""
  tokenizer = model.tokenizer
  shape = (batch, tokenizer.num_tokens, tokenizer.token_channels)
  return jax.random.normal(key, shape, jnp.float32)
