"""Task: what the one training loop needs to know about a stage."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct

from scenetok_jax.types import Array, SceneBatch


@flax.struct.dataclass
class StepLoss:
  """What one evaluation of a loss gives.

  unused: path prefix of a sub-tree of the parameters -> bool [], True where
  this step does not use it: the optimiser then leaves it alone, decay
  included.
  """

  loss: Array  # [B], to minimise
  metrics: dict[str, Array]  # named [B], to log
  unused: dict[str, Array] = flax.struct.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class LossParts:
  """A loss in two parts, so that devices may take their scenes on their own.

  draw: (frozen, batch, key) -> tree of arrays [B ...], or [] where all scenes
  share one; makes every draw. loss: (params, frozen, drawn, step) -> StepLoss,
  a function of each scene alone.
  """

  draw: Callable[[Any, SceneBatch, Array], Any]
  loss: Callable[[Any, Any, Any, Array], StepLoss]

  def whole(
    self, params: Any, frozen: Any, batch: SceneBatch, key: Array, step: Array
  ) -> StepLoss:
    """One part after the other, as a Task's loss."""
    return self.loss(params, frozen, self.draw(frozen, batch, key), step)


@dataclasses.dataclass(frozen=True)
class Task:
  """A stage as a struct of functions.

  loss: (params, frozen, batch, key, step) -> StepLoss. Pure; all draws come
  from the key. parts: the same loss in two, where it can be told apart.
  """

  init: Callable[[Array], Any]  # key -> fresh trainable parameters
  loss: Callable[[Any, Any, SceneBatch, Array, Array], StepLoss]
  frozen: Any  # parameters of frozen networks and codecs
  parts: LossParts | None = None
