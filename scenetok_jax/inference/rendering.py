"""How a model renders: what a user changes, and the video itself."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.flow.windows import SAMPLERS
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.video import render_video, video_plan
from scenetok_jax.types import Array, Cameras, InputError, option

if TYPE_CHECKING:
  from scenetok_jax.inference.scenetok import SceneTok

STATE_FILE = "interrupted.safetensors"  # in OUT until the video is written
Progress = Callable[[int, int], None]  # told the steps done, and all of them


def silent(done: int, total: int) -> None:
  """A Progress that tells nobody."""


@dataclasses.dataclass(frozen=True)
class SamplingChanges:
  """What a user changes of how a model samples; None keeps the model's own.

  interval: (low, high) within [0, 1].
  """

  steps: int | None = option(None, "denoising steps (default: the run's)")
  solver: str | None = option(
    None, "default: the run's", choices=tuple(SOLVERS)
  )
  guidance: float | None = option(None, "default: the run's; 1 is none")
  interval: tuple[float, float] | None = option(
    None,
    "noise levels between which guidance acts (default: all)",
    metavar=("LOW", "HIGH"),
  )
  sampler: str | None = option(
    None, "which latents are denoised when", choices=SAMPLERS
  )
  uncertainty_scale: int | None = option(
    None, "of the sampler pyramid: its lag in steps"
  )


def run_options(scenetok: "SceneTok") -> RenderOptions:
  """How the model's own configuration renders."""
  return RenderOptions.of(scenetok.config.sampling)


def render_options(
  scenetok: "SceneTok", changes: SamplingChanges, prefix: str = ""
) -> RenderOptions:
  """The model's own sampling with what a user changes.

  prefix: of the flags, for messages.

  Raises:
    InputError: numbers that make no sense, or guidance without a null token.
  """
  names = (field.name for field in dataclasses.fields(SamplingChanges))
  given = {name: getattr(changes, name) for name in names}
  given = {name: value for name, value in given.items() if value is not None}
  options = dataclasses.replace(run_options(scenetok), **given)
  low, high = options.interval
  if options.steps < 1:
    raise InputError(f"--{prefix}steps: {options.steps} must be at least 1")
  if options.solver not in SOLVERS:
    raise InputError(
      f"--{prefix}solver: {options.solver!r} is not one of {', '.join(SOLVERS)}"
    )
  if not 0 <= low < high <= 1:
    raise InputError(
      f"--{prefix}interval: {low:g} {high:g} must rise within 0 and 1"
    )
  if not np.isfinite(options.guidance) or options.guidance < 1:
    raise InputError(
      f"--{prefix}guidance: {options.guidance:g} must be at least 1"
    )
  if options.guidance > 1 and not scenetok.model.decoder.null_token:
    raise InputError(
      f"--{prefix}guidance: {options.guidance:g} needs a renderer trained with"
      " config.decoder.null_token; leave it at 1"
    )
  return dataclasses.replace(options, interval=(low, high))


def steps_of(
  scenetok: "SceneTok", path: Cameras, options: RenderOptions
) -> int:
  """Steps of a video along cameras [... T]; InputError for a short path."""
  frames = path.extrinsics.shape[-3]
  return video_plan(scenetok.model, options, frames).steps


def render(
  scenetok: "SceneTok",
  tokens: Array,
  references: Array,
  paths: Cameras,
  key: Array,
  options: RenderOptions,
  *,
  samples: int = 1,
  progress: Progress = silent,
  state: Path | None = None,
  identity: str | None = None,
) -> np.ndarray:
  """Scenes along camera paths, on the devices of the current mesh.

  Args:
    scenetok: the model, with its parameters where they are wanted.
    tokens: [B N C].
    references: [B 4 4] that the tokens are relative to.
    paths: absolute cameras [B T].
    key: draws the noise.
    options: from render_options.
    samples: videos S of each scene.
    progress: told after every few seconds.
    state: file in which an interrupted rendering is kept and continued from.
    identity: of the model, for `state`.

  Returns:
    uint8 [B S T H W 3].
  """
  # Scene by scene, so that a scene's numbers do not depend on its company.
  relative = [
    relative_to(jax.tree.map(lambda a, i=i: a[i], paths), references[i])
    for i in range(len(tokens))
  ]
  total = steps_of(scenetok, paths, options)
  done = 0

  def report(steps: int) -> None:
    nonlocal done
    done += steps
    progress(done, total)

  progress(0, total)
  return render_video(
    scenetok.video_program(options),
    scenetok.params,
    tokens,
    jax.tree.map(lambda *a: jnp.stack(a), *relative),
    key,
    samples=samples,
    options=options,
    report=report,
    state=state,
    identity=identity,
  )
