"""Task: what the one training loop needs to know about a stage."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct

from scenetok_jax.types import Array, SceneBatch


@flax.struct.dataclass
class StepLoss:
  """loss [B] to minimise and named scalars [B] to log."""

  loss: Array
  metrics: dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Task:
  """A stage as a struct of functions.

  init: key -> fresh trainable parameters.
  loss: (params, frozen, batch, key, step) -> StepLoss. Pure; all draws come
    from the key.
  frozen: parameters of frozen networks, {} in stage 1.
  """

  init: Callable[[Array], Any]
  loss: Callable[[Any, Any, SceneBatch, Array, Array], StepLoss]
  frozen: Any
