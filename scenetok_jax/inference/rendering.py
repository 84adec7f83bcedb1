"""What render, generate and encode share: options and the run with progress."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.sampling.paths import CameraPath
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.video import (
  VideoProgram,
  render_video,
  video_plan,
  video_program,
)
from scenetok_jax.types import Array, InputError, option

STATE_FILE = "interrupted.safetensors"  # in OUT until the video is written


def add_options(add: Callable[..., Any], prefix: str = "") -> None:
  """--steps, --solver, --guidance and --interval of a parser, prefixed."""
  add(f"--{prefix}steps", type=int, help="denoising steps (default: the run's)")
  add(f"--{prefix}solver", choices=SOLVERS, help="default: the run's")
  add(f"--{prefix}guidance", type=float, help="default: the run's; 1 is none")
  add(
    f"--{prefix}interval",
    type=float,
    nargs=2,
    metavar=("LOW", "HIGH"),
    help="noise levels between which guidance acts (default: all)",
  )


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


def run_options(scenetok: SceneTok) -> RenderOptions:
  """How the run's own configuration renders."""
  return RenderOptions.of(scenetok.config.sampling)


def render_options(
  scenetok: SceneTok,
  args: argparse.Namespace | SamplingChanges,
  prefix: str = "",
) -> RenderOptions:
  """The run's own sampling with what a user changes.

  Raises:
    InputError: numbers that make no sense, or guidance without a null token.
  """
  names = ("steps", "solver", "guidance", "interval")
  dash = prefix.replace("_", "-")
  given = {name: getattr(args, f"{prefix}{name}") for name in names}
  given = {name: value for name, value in given.items() if value is not None}
  options = dataclasses.replace(run_options(scenetok), **given)
  low, high = options.interval
  if options.steps < 1:
    raise InputError(f"--{dash}steps: {options.steps} must be at least 1")
  if not 0 <= low < high <= 1:
    raise InputError(
      f"--{dash}interval: {low:g} {high:g} must rise within 0 and 1"
    )
  if not np.isfinite(options.guidance) or options.guidance < 1:
    raise InputError(
      f"--{dash}guidance: {options.guidance:g} must be at least 1"
    )
  if options.guidance > 1 and not scenetok.model.decoder.null_token:
    raise InputError(
      f"--{dash}guidance: {options.guidance:g} needs a renderer trained with"
      " config.decoder.null_token; leave it at 1"
    )
  return dataclasses.replace(options, interval=(low, high))


def check_path(
  scenetok: SceneTok, path: CameraPath, options: RenderOptions
) -> int:
  """Steps of the whole video; InputError when the path is too short."""
  frames = len(path.cameras.extrinsics)
  return video_plan(scenetok.model, options, frames).steps


def render(
  scenetok: SceneTok,
  tokens: Array,
  reference: np.ndarray,
  path: CameraPath,
  key: Array,
  options: RenderOptions,
  *,
  samples: int = 1,
  label: str = "frames",
  state: Path | None = None,
  program: VideoProgram | None = None,
) -> np.ndarray:
  """tokens [B N C] -> videos uint8 [B S T H W 3] along one path.

  reference: [4 4] of all tokens. state: file to continue from. program: one
  made for the same options, to compile once.
  """
  batch = jax.tree.map(
    lambda a: np.repeat(np.asarray(a)[None], len(tokens), axis=0),
    relative_to(path.cameras, reference),
  )
  steps = check_path(scenetok, path, options)
  with console.Progress(label, steps, "step") as progress:
    return render_video(
      program or video_program(scenetok.model, options),
      scenetok.params,
      tokens,
      batch,
      key,
      samples=samples,
      report=progress.update,
      state=state,
    )
