"""How a model generates: what a user changes, and the tokens themselves."""

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference.rendering import Progress
from scenetok_jax.model import encode_views
from scenetok_jax.sampling.generate import (
  GenerateOptions,
  SceneCondition,
  anchor_indices,
  generate_tokens,
)
from scenetok_jax.types import Array, Cameras, InputError, Views, option

if TYPE_CHECKING:
  from scenetok_jax.inference.scenetok import SceneTok


@dataclasses.dataclass(frozen=True)
class GenerationChanges:
  """What a user changes of how tokens are sampled; None keeps the model's."""

  steps: int | None = option(None, "token steps (default: the run's)")
  solver: str | None = option(
    None, "of the tokens (default: euler)", choices=tuple(SOLVERS)
  )
  guidance: float | None = option(None, "default: the run's; 1 is none")


def generate_options(
  scenetok: "SceneTok", changes: GenerationChanges
) -> GenerateOptions:
  """The model's own generation with what a user changes.

  Raises:
    InputError: a stage-1 model, or numbers that make no sense.
  """
  if scenetok.model.generator is None:
    raise InputError(
      f"config.stage: {scenetok.config.stage}; generating needs a stage-2"
      " workdir (config.stage=generator)"
    )
  given = dataclasses.asdict(changes)
  given = {name: value for name, value in given.items() if value is not None}
  own = GenerateOptions.of(scenetok.config.generation)
  options = dataclasses.replace(own, **given)
  if options.steps < 1:
    raise InputError(f"--steps: {options.steps} must be at least 1")
  if options.solver not in SOLVERS:
    raise InputError(
      f"--solver: {options.solver!r} is not one of {', '.join(SOLVERS)}"
    )
  if not np.isfinite(options.guidance):
    raise InputError(f"--guidance: {options.guidance} is not a number")
  return options


def check_count(name: str, count: int, scenetok: "SceneTok") -> None:
  """InputError unless the generator reads so many images."""
  most = scenetok.model.num_conditions
  if not 1 <= count <= most:
    raise InputError(
      f"{name}: {count} images; this generator reads 1 to {most}"
    )


def take_anchors(scenetok: "SceneTok", path: Cameras) -> Cameras:
  """The cameras [A] of a path [T] that the generator is told."""
  count = scenetok.config.generation.anchors
  stops = anchor_indices(len(path.extrinsics), count)
  return jax.tree.map(lambda a: np.asarray(a)[stops], path)


def generate(
  scenetok: "SceneTok",
  given: Views,
  anchors: Cameras,
  noise: Array,
  options: GenerateOptions,
  progress: Progress,
) -> Array:
  """Tokens [B N C] of new scenes, on the devices of the current mesh.

  Args:
    scenetok: the model, with its parameters where they are wanted.
    given: 1-3 views [V] as the model reads them.
    anchors: [A], in the views' frame.
    noise: [B N C], one start for each scene.
    options: from generate_options.
    progress: told after every few seconds.
  """
  model = scenetok.model
  reference = given.cameras.extrinsics[0]
  count = len(given.cameras.extrinsics)
  # Empty slots repeat the last view and are masked (release).
  slots = np.minimum(np.arange(model.num_conditions), count - 1)
  views = jax.tree.map(lambda a: np.asarray(a)[slots][None], given)
  codec = model.context_codec
  encode = scenetok.program(
    "conditions",
    lambda: jax.jit(
      lambda params, views: encode_views(codec, views, None, params)
    ),
  )
  condition = SceneCondition(
    latents=encode(codec.params, views),
    cameras=relative_to(views.cameras, reference),
    anchors=relative_to(jax.tree.map(lambda a: a[None], anchors), reference),
    visible=np.arange(model.num_conditions)[None] < count,
  )
  condition = jax.tree.map(
    lambda a: jnp.repeat(a, len(noise), axis=0), condition
  )
  done = 0

  def report(steps: int) -> None:
    nonlocal done
    done += steps
    progress(done, options.steps)

  progress(0, options.steps)
  return generate_tokens(
    model, scenetok.params, condition, noise, options, report
  )
