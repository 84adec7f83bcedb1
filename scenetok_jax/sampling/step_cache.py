"""Files that say which steps of a rendering reuse others (flow.caching)."""

import os
from typing import Any, TypedDict

import numpy as np

from scenetok_jax.flow.solvers import get_solver
from scenetok_jax.io import write_json
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Few, Guidance, checked
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.types import InputError

_AGAIN = "write it again with scenetok quality-speed --cache"


class StepCache(TypedDict):
  """For renderings with these settings; reuse: by the step of a window."""

  solver: str
  steps: Few
  guidance: Guidance
  reuse: list[bool]


def save(path: str | os.PathLike, options: RenderOptions, reuse: Any) -> None:
  """Writes a file that load reads; reuse: [steps] bool."""
  found = StepCache(
    solver=options.solver,
    steps=options.steps,
    guidance=options.guidance,
    reuse=np.asarray(reuse, bool).tolist(),
  )
  write_json(path, found)


def load(path: str | os.PathLike, options: RenderOptions) -> tuple[bool, ...]:
  """RenderOptions.reuse of a file; InputError where it is for other settings.

  The first step is never reused: nothing comes before it.
  """
  found = checked(read_json(path, _AGAIN), StepCache, os.fspath(path), _AGAIN)
  for field in ("solver", "steps", "guidance"):
    ours = getattr(options, field)
    if found[field] != ours:
      raise InputError(
        f"{path}: {field}: of {found[field]}, but this rendering has {ours};"
        f" give --{field}={found[field]}, or another file"
      )
  reuse = tuple(found["reuse"])
  if len(reuse) != options.steps or reuse[0]:
    raise InputError(
      f"{path}: reuse: needs {options.steps} entries, the first false; {_AGAIN}"
    )
  return reuse


def check(options: RenderOptions, net: Any, flag: str) -> None:
  """InputError where a renderer's steps cannot be reused as asked."""
  problem = None
  if options.sampler != "full_sequence":
    problem = f"the sampler {options.sampler} has latents at many levels"
  elif get_solver(options.solver).evaluations(2) != 2:
    problem = f"the solver {options.solver} looks twice at a step"
  elif options.interval != (0.0, 1.0) and options.guidance > 1:
    problem = "guidance acts at some levels only"
  elif net.interval:
    problem = "the renderer knows average velocities and needs few steps"
  if problem:
    raise InputError(f"{flag}: {problem}; render without it")
