"""The training state, its creation on a mesh and its update."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from scenetok_jax.parallel.rules import param_shardings, parted, placed_shapes
from scenetok_jax.parallel.runtime import quick_compile_options
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.types import Array

STD_RANGE = (1e-3, 0.28)  # of an average's width; 0.289 weighs all steps alike


@flax.struct.dataclass
class TrainState:
  """All that a checkpoint's arrays hold.

  step: int32 [], finished optimiser steps.
  params, ema: parameter trees, float32; ema is None without averaging.
  opt_state: the optimiser's moments.
  """

  step: Array
  params: Any
  opt_state: Any
  ema: Any = None


Init = Callable[[Array], Any]  # random key -> parameters, a nested dict


def at_start(params: Any, optimizer: Optimizer) -> TrainState:
  """The state at step 0 with these parameters."""
  average = optimizer.ema_decay > 0 or optimizer.ema_std > 0
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=optimizer.init(params),
    # A copy: two leaves must never share a donated buffer.
    ema=jax.tree.map(jnp.copy, params) if average else None,
  )


def abstract(
  init: Init, optimizer: Optimizer, key: Array, mesh: Mesh
) -> TrainState:
  """Shapes, dtypes and shardings of the state, without computing it."""
  shapes = jax.eval_shape(lambda key: at_start(init(key), optimizer), key)
  return placed_shapes(shapes, mesh)


def create(
  init: Init, optimizer: Optimizer, key: Array, mesh: Mesh
) -> TrainState:
  """A fresh state at step 0, placed by the mesh's rule table."""
  return on_mesh(lambda key: at_start(init(key), optimizer), key, mesh)


def on_mesh(build: Callable[[Any], Any], argument: Any, mesh: Mesh) -> Any:
  """build(argument) placed by the rule table.

  Every leaf comes out of one jitted function: none is on a lone device.
  """
  return jax.jit(
    build,
    out_shardings=param_shardings(jax.eval_shape(build, argument), mesh),
    compiler_options=quick_compile_options(mesh.devices.flat[0].platform),
  )(argument)


def apply_gradients(
  state: TrainState,
  gradients: Any,
  optimizer: Optimizer,
  unused: Mapping[str, Array] | None = None,
) -> tuple[TrainState, dict[str, Array]]:
  """One optimiser step: the state with step + 1, the optimiser's metrics.

  Each replica along data updates its part of the parameters.

  gradients: tree like state.params. unused: path prefixes of sub-trees without
  a gradient in this step -> bool [].
  """
  new = optimizer.update(
    parted(gradients), state.opt_state, state.params, state.step, unused
  )
  decay, ema = optimizer.ema_decay, state.ema
  if ema is not None and optimizer.ema_std > 0:
    share = power_share(power_gamma(optimizer.ema_std), state.step + 1)
    ema = jax.tree.map(lambda a, p: a + share * (p - a), ema, new.params)
  elif ema is not None:
    ema = jax.tree.map(
      lambda a, p: decay * a + (1.0 - decay) * p, ema, new.params
    )
  state = TrainState(state.step + 1, new.params, new.opt_state, ema)
  return state, new.metrics


def power_gamma(std: float) -> float:
  """The power of t that weighs step t in an average of a relative width.

  std: of the weights over the steps so far, by their number (EDM2, arXiv
  2312.02696, section 3.1): std^2 = (g + 1) / ((g + 2)^2 (g + 3)).
  """
  inverse = std**-2
  return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def power_share(gamma: float, step: Array) -> Array:
  """What an average takes of the parameters after step t = 1, 2, ...; float32.

  1 - (1 - 1 / t)^(gamma + 1), of which float32 powers lose digits.
  """
  rest = jnp.log1p(-1.0 / step.astype(jnp.float32))
  return -jnp.expm1((gamma + 1.0) * rest)
