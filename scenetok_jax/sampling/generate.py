"""New scenes: diffusion over scene tokens, given posed images and anchors."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.flow.path import euler_step
from scenetok_jax.flow.solvers import Velocity, euler, guided, linear_levels
from scenetok_jax.flow.timesteps import model_timestep, shift
from scenetok_jax.sampling.session import Report, advance, run_slices
from scenetok_jax.sampling.system import System
from scenetok_jax.types import Array, Cameras


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
  """steps and shift of the schedule; guidance 1 is none.

  scale_factor: tokens are generated times this factor (release: 0.1).
  """

  steps: int = 150
  shift: float = 4.0
  guidance: float = 3.0
  scale_factor: float = 0.1

  @classmethod
  def of(cls, config: ConfigDict) -> "GenerateOptions":
    """From config.generation."""
    names = {field.name for field in dataclasses.fields(cls)}
    return cls(**{k: v for k, v in config.items() if k in names})


def anchor_indices(frames: int, anchors: int) -> np.ndarray:
  """Frames of a path that serve as anchors: linspace, truncated (release)."""
  return np.linspace(0, frames - 1, anchors).astype(int)


def generate_tokens(
  system: System,
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
    system: the networks.
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
  field = token_velocity(
    system, params, latents, cameras, anchors, visible, options.guidance
  )
  return euler(field, noise, token_levels(options)) / options.scale_factor


def token_levels(options: GenerateOptions) -> Array:
  """Noise levels of the schedule: [steps + 1]."""
  return shift(linear_levels(options.steps), options.shift)


def token_velocity(
  system: System,
  params: Any,
  latents: Array,
  cameras: Cameras,
  anchors: Cameras,
  visible: Array,
  guidance: float,
) -> Velocity:
  """The guided velocity of scaled tokens; arguments of generate_tokens."""
  assert system.generator is not None
  generator = system.generator

  def velocity(mask: Array) -> Velocity:
    def predict(x: Array, t: Array) -> Array:
      return generator.apply(
        {"params": params["generator"]},
        x,
        jnp.broadcast_to(model_timestep(t), x.shape[:2]),
        latents,
        cameras,
        anchors,
        mask,
      )

    return predict

  return guided(velocity(visible), velocity(jnp.zeros_like(visible)), guidance)


class Request(NamedTuple):
  """What is asked for: see generate_tokens."""

  latents: Array
  cameras: Cameras
  anchors: Cameras
  visible: Array


def generate_sliced(
  system: System,
  params: Any,
  request: Request,
  noise: Array,
  options: GenerateOptions,
  report: Report = lambda steps: None,
) -> Array:
  """generate_tokens in slices of seconds, which `report` is told about."""
  levels = token_levels(options)

  @jax.jit
  def run(
    params: Any,
    request: Request,
    rows: tuple[Array, Array],
    x: Array,
    first: Array,
    last: Array,
  ) -> Array:
    field = token_velocity(system, params, *request, options.guidance)

    def step(x: Array, row: tuple[Array, Array]) -> Array:
      return euler_step(x, field(x, row[0]), *row)

    return advance(step, x, rows, first, last)

  rows = (levels[:-1], levels[1:])
  call = functools.partial(run, params, request, rows)
  tokens = run_slices(call, noise, options.steps, report)
  return tokens / options.scale_factor


def token_noise(system: System, key: Array, batch: int) -> Array:
  """Standard normal start [batch, N, C]."""
  tokenizer = system.tokenizer
  shape = (batch, tokenizer.num_tokens, tokenizer.token_channels)
  return jax.random.normal(key, shape, jnp.float32)
