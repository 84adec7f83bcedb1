"""What a user changes of how a model samples; None keeps the model's own."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scenetok_jax.flow.solvers import SOLVERS, get_solver
from scenetok_jax.flow.windows import SAMPLERS
from scenetok_jax.reading.schema import Few, Guidance, Share, Some
from scenetok_jax.sampling import step_cache
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.types import InputError, option

if TYPE_CHECKING:
  from scenetok_jax.inference.scenetok import SceneTok

_Options = TypeVar("_Options", RenderOptions, GenerateOptions)


@dataclasses.dataclass(frozen=True)
class GenerationChanges:
  """Of a new scene's tokens, or of a video."""

  steps: Few | None = option(None, "denoising steps (default: the run's)")
  solver: str | None = option(
    None, "default: the run's", choices=tuple(SOLVERS)
  )
  guidance: Guidance | None = option(None, "default: the run's; 1 is none")


@dataclasses.dataclass(frozen=True)
class SamplingChanges(GenerationChanges):
  """Of a video. interval: (low, high) within [0, 1]."""

  interval: tuple[Share, Share] | None = option(
    None,
    "noise levels between which guidance acts (default: all)",
    metavar=("LOW", "HIGH"),
  )
  sampler: str | None = option(
    None, "which latents are denoised when", choices=SAMPLERS
  )
  uncertainty_scale: Some | None = option(
    None, "of the sampler pyramid: its lag in steps"
  )
  cache: str | None = option(
    None,
    "reuse what the network's blocks computed, at the steps that `scenetok"
    " quality-speed --cache` wrote",
    metavar="FILE.json",
  )


def _changed(
  own: _Options, changes: GenerationChanges, prefix: str = ""
) -> _Options:
  """The options with the changes that are not None."""
  given: dict[str, Any] = {
    field.name: value
    for field in dataclasses.fields(own)
    if (value := getattr(changes, field.name, None)) is not None
  }
  options = dataclasses.replace(own, **given)
  if options.steps < 1:
    raise InputError(f"--{prefix}steps: {options.steps} must be at least 1")
  get_solver(options.solver)  # raises
  return options


def render_options(
  scenetok: "SceneTok", changes: SamplingChanges, prefix: str = ""
) -> RenderOptions:
  """The model's own sampling with what a user changes.

  prefix: of the flags, for messages.
  Raises InputError: numbers that make no sense, or guidance without a null
  token.
  """
  own = RenderOptions.of(scenetok.config.sampling)
  options = _changed(own, changes, prefix)
  low, high = options.interval
  if not 0 <= low < high <= 1:
    raise InputError(
      f"--{prefix}interval: {low:g} {high:g} must rise within 0 and 1"
    )
  if not 1 <= options.guidance < np.inf:
    raise InputError(
      f"--{prefix}guidance: {options.guidance:g} must be at least 1"
    )
  if options.guidance > 1 and not scenetok.model.decoder.null_token:
    raise InputError(
      f"--{prefix}guidance: {options.guidance:g} needs a renderer trained with"
      " config.decoder.null_token; leave it at 1"
    )
  options = dataclasses.replace(options, interval=(low, high))
  if changes.cache is not None:
    reuse = step_cache.load(changes.cache, options)
    options = dataclasses.replace(options, reuse=reuse)
    step_cache.check(options, scenetok.model.decoder, f"--{prefix}cache")
  return options


def generate_options(
  scenetok: "SceneTok", changes: GenerationChanges
) -> GenerateOptions:
  """The model's own generation with what a user changes.

  Raises InputError: a stage-1 model, or numbers that make no sense.
  """
  if scenetok.model.generator is None:
    raise InputError(
      f"config.stage: {scenetok.config.stage}; generating needs a stage-2"
      " workdir (config.stage=generator)"
    )
  own = GenerateOptions.of(scenetok.config.generation)
  options = _changed(own, changes)
  if not np.isfinite(options.guidance):
    raise InputError(f"--guidance: {options.guidance} is not a number")
  return options
