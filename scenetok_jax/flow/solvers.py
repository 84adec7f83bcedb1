"""Integration of a velocity field from noise to data."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.flow import path
from scenetok_jax.types import Array, check_known

Velocity = Callable[[Array, Array], Array]  # (x, t) -> velocity of x's shape
AnyState = TypeVar("AnyState")


class SolverState(NamedTuple):
  """x: what is integrated. previous: what a multistep solver keeps, like x.

  residual: of the network at the last computed step, where steps reuse it
  (flow.caching).
  """

  x: Array
  previous: Array | None = None
  residual: Array | None = None


class SolverStep(NamedTuple):
  """One step; a table of steps has a leading axis [S].

  t, t_next: noise levels before and after it. weight: see Solver.weights.
  Each [], [B] or [B L], broadcast over x's trailing axes.
  """

  t: Array
  t_next: Array
  weight: Array


@dataclasses.dataclass(frozen=True)
class Solver:
  """One way to integrate a velocity field through falling noise levels.

  step: (velocity, state at t, step) -> state at t_next.
  multistep: whether steps look back: state.previous is then an array like x,
    zeros before the first step.
  straight: whether a step goes along one velocity, which may then be the
    average from its level t to t_next.
  weights: (levels [S + 1 ...] float64) -> [S ...], a number that the host
    computes for each step and column; zeros where it is None.
  evaluations: of the velocity, in so many steps that end at level 0.
  """

  step: Callable[[Velocity, SolverState, SolverStep], SolverState]
  multistep: bool = False
  straight: bool = False
  weights: Callable[[np.ndarray], np.ndarray] | None = None
  evaluations: Callable[[int], int] = lambda steps: steps

  def start(self, x: Array) -> SolverState:
    """The state before the first step."""
    return SolverState(x, jnp.zeros_like(x) if self.multistep else None)

  def steps(self, levels: np.ndarray) -> SolverStep:
    """levels [S + 1 ...] -> the table of S steps, on the host.

    Columns are samples or latents; a level that repeats is a rest.
    """
    levels = np.asarray(levels)
    weights = np.zeros(levels[1:].shape, np.float32)
    if self.weights is not None:
      weights = self.weights(levels.astype(np.float64)).astype(np.float32)
    return SolverStep(levels[:-1], levels[1:], weights)


def linear_levels(steps: int) -> np.ndarray:
  """Evenly spaced noise levels 1 .. 0: [steps + 1] float32, on the host."""
  # A float32 reciprocal, as XLA divides by a number.
  step = np.float32(1) / np.float32(steps)
  return 1 - np.arange(steps + 1, dtype=np.float32) * step


def guide(conditional: Array, unconditional: Array, scale: Array) -> Array:
  """Classifier-free guidance of two predictions; scale 1 is conditional."""
  return unconditional + scale * (conditional - unconditional)


def run_steps(
  step: Callable[[AnyState, Any], AnyState],
  state: AnyState,
  table: Any,
  first: Array | int = 0,
  last: Array | int | None = None,
) -> AnyState:
  """Steps first .. last - 1 of a table, as one loop on the device.

  step: (state, row of the table) -> state; table: arrays with a leading axis
  over steps. first, last may be traced, so that one compilation serves every
  slice of a run.
  """
  if last is None:
    last = len(jax.tree.leaves(table)[0])

  def body(index: Array, state: AnyState) -> AnyState:
    return step(state, jax.tree.map(lambda rows: rows[index], table))

  return jax.lax.fori_loop(first, last, body, state)


def integrate(
  solver: Solver, velocity: Velocity, x: Array, steps: SolverStep
) -> Array:
  """x before the first of `steps`, solver.steps(levels) -> x after the last.

  velocity: of (x, t), t a level in [0, 1] and not the model's timestep.
  """
  step = functools.partial(solver.step, velocity)
  table = jax.tree.map(jnp.asarray, steps)
  return run_steps(step, solver.start(x), table).x


def _euler(
  velocity: Velocity, state: SolverState, step: SolverStep
) -> SolverState:
  flow = velocity(state.x, step.t)
  return state._replace(x=path.euler_step(state.x, flow, step.t, step.t_next))


def _heun(
  velocity: Velocity, state: SolverState, step: SolverStep
) -> SolverState:
  """Looks at every step twice but at one that ends without noise.

  There the mean of two velocities would leave noise behind.
  """
  x, t, t_next = state.x, step.t, step.t_next
  flow = velocity(x, t)
  guess = path.euler_step(x, flow, t, t_next)
  inner = (t_next > 0) & (t != t_next)

  def correct() -> Array:
    mean = (flow + velocity(guess, t_next)) / 2
    better = path.euler_step(x, mean, t, t_next)
    return jnp.where(path.over_trailing_axes(inner, x), better, guess)

  x = jax.lax.cond(jnp.any(inner), correct, lambda: guess)
  return state._replace(x=x)


def _dpm2(
  velocity: Velocity, state: SolverState, step: SolverStep
) -> SolverState:
  """Extrapolates the clean estimate from the step before, at no cost.

  Along the log signal-to-noise ratio, as DPM-Solver++ 2M does (ours:
  Adams-Bashforth on the velocity was no closer to the exact flow on rooms and
  2 to 4 dB further from the truth in few steps).
  """
  x, t = state.x, step.t
  flow = velocity(x, t)
  clean = path.clean_estimate(x, flow, t)
  # A clean estimate moved by `change` is a velocity moved by -change / t.
  slope = path.over_trailing_axes(step.weight / jnp.maximum(t, 1e-6), x)
  flow = flow - slope * (clean - state.previous)
  x = path.euler_step(x, flow, t, step.t_next)
  return state._replace(x=x, previous=clean)


def _extrapolation(levels: np.ndarray) -> np.ndarray:
  """How far each step extrapolates; 0 where none before it moved."""
  weights = np.zeros(levels[1:].shape, np.float32)
  with np.errstate(divide="ignore", invalid="ignore"):
    time = np.log((1 - levels) / levels)
    steps = np.diff(time, axis=0)
    ratio = steps[1:] / (2 * steps[:-1])
  # The first and the last step are infinitely long: Euler.
  usable = np.isfinite(ratio) & np.isfinite(steps[1:]) & (steps[:-1] != 0)
  weights[1:] = np.where(usable, ratio, 0.0)
  return weights


# A solver is an entry here; every sampler and command then takes its name.
SOLVERS = {
  "euler": Solver(_euler, straight=True),
  "heun": Solver(_heun, evaluations=lambda steps: 2 * steps - 1),
  "dpm2": Solver(_dpm2, multistep=True, weights=_extrapolation),
}


def get_solver(name: str) -> Solver:
  """The solver of a name; InputError for an unknown one."""
  check_known(name, SOLVERS, "solver")
  return SOLVERS[name]
