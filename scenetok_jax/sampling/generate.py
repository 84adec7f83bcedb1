"""New scenes: diffusion over scene tokens, given posed images and anchors."""

import dataclasses
import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from ml_collections import ConfigDict

from scenetok_jax.flow.solvers import (
  MULTISTEP,
  Velocity,
  euler,
  guide,
  linear_levels,
  multistep_weights,
  solver_step,
)
from scenetok_jax.flow.timesteps import model_timestep, shift
from scenetok_jax.generator.scenegen import ConditionKVCache
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.parallel.placement import shard_batch
from scenetok_jax.sampling.slices import Report, advance, pad_rows, run_slices
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


def generate_tokens(
  model: Model,
  params: Any,
  latents: Array,
  cameras: Cameras,
  anchors: Cameras,
  visible: Array,
  noise: Array,
  options: GenerateOptions,
) -> Array:
  """Samples the tokens of a new scene.

  Args:
    model: the networks.
    params: {"generator": ...}.
    latents: [B V h w C'] normalised latents of the conditioning views.
    cameras: [B V], relative to conditioning view 0 (absolute poses mean
      nothing to the network).
    anchors: [B A], relative to the same view.
    visible: [B V] bool: which of the V slots hold a view.
    noise: [B N C] standard normal start.
    options: schedule and guidance.

  Returns:
    [B N C] scene tokens, unscaled: ready for rendering.
  """
  request = Request(latents, cameras, anchors, visible)
  cache = condition_kv_cache(model, params, request, options.guidance != 1)
  field = cached_velocity(model, params, cache, options.guidance)
  return euler(field, noise, token_levels(options)) / options.scale_factor


def token_levels(options: GenerateOptions) -> Array:
  """Noise levels of the schedule: [steps + 1]."""
  return shift(linear_levels(options.steps), options.shift)


class Request(NamedTuple):
  """What is asked for: see generate_tokens."""

  latents: Array
  cameras: Cameras
  anchors: Cameras
  visible: Array


def condition_kv_cache(
  model: Model, params: Any, request: Request, guided: bool
) -> KVCache:
  """What every cross-attention knows of the condition, for one or two passes.

  The second, unconditional pass sees no view; anchors stay (release).
  """
  assert model.generator is not None
  visible = jnp.asarray(request.visible)
  passes = (visible, jnp.zeros_like(visible)) if guided else (visible,)
  cache = ConditionKVCache(model.generator).apply(
    {"params": params["generator"]},
    *request[:3],
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


def generate_sliced(
  model: Model,
  params: Any,
  request: Request,
  noise: Array,
  options: GenerateOptions,
  report: Report = lambda steps: None,
) -> Array:
  """generate_tokens in slices of seconds, which `report` is told about."""
  params = {"generator": params["generator"]}
  levels = np.asarray(token_levels(options))
  rows = pad_rows(
    (levels[:-1], levels[1:], multistep_weights(options.solver, levels))
  )
  guided = options.guidance != 1
  cache = jax.jit(
    lambda params, request: condition_kv_cache(model, params, request, guided)
  )(params, shard_batch(request))

  @jax.jit
  def run(
    params: Any,
    cache: KVCache,
    rows: tuple[Array, Array, Array],
    guidance: Array,
    state: tuple[Array, Array | None],
    first: Array,
    last: Array,
  ) -> tuple[Array, Array | None]:
    field = cached_velocity(model, params, cache, guidance)

    def step(
      state: tuple[Array, Array | None], row: tuple[Array, Array, Array]
    ) -> tuple[Array, Array | None]:
      return solver_step(options.solver, field, *state, *row)

    return advance(step, state, rows, first, last)

  call = functools.partial(
    run, params, cache, rows, jnp.float32(options.guidance)
  )
  looks_back = options.solver in MULTISTEP
  noise = shard_batch(noise)
  state = (noise, jnp.zeros_like(noise) if looks_back else None)
  tokens, _ = run_slices(call, state, options.steps, report)
  return tokens / options.scale_factor


def token_noise(model: Model, key: Array, batch: int) -> Array:
  """Standard normal start [batch, N, C]."""
  tokenizer = model.tokenizer
  shape = (batch, tokenizer.num_tokens, tokenizer.token_channels)
  return jax.random.normal(key, shape, jnp.float32)
