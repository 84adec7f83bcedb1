"""How videos and tokens are sampled: steps, solver, guidance, windows."""

import dataclasses
from typing import TypeVar

from ml_collections import ConfigDict

T = TypeVar("T")


def _of(cls: type[T], config: ConfigDict) -> T:
  """The fields that a block of a configuration has."""
  names = {field.name for field in dataclasses.fields(cls)}  # type: ignore
  return cls(**{k: v for k, v in config.items() if k in names})


@dataclasses.dataclass(frozen=True)
class RenderOptions:
  """How to denoise a video; see flow.windows.schedule.

  shift: timestep shift of the noise levels. solver: see flow.solvers.
  guidance: 1 is none. interval: noise levels between which it acts.
  uncertainty_scale: steps by which a latent of the sampler "pyramid" lags
    behind the one before.
  """

  sampler: str = "full_sequence"
  steps: int = 25
  window: int = 8
  overlap: int = 4
  guidance: float = 1.0
  shift: float = 1.0
  solver: str = "euler"
  interval: tuple[float, float] = (0.0, 1.0)
  uncertainty_scale: int | None = None

  @classmethod
  def of(cls, config: ConfigDict) -> "RenderOptions":
    """From config.sampling."""
    return _of(cls, config)


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
  """How to draw tokens: steps and shift of the schedule; guidance 1 is none.

  scale_factor: tokens are generated times this factor (release: 0.1).
  solver: see flow.solvers.
  """

  steps: int = 150
  shift: float = 4.0
  guidance: float = 3.0
  scale_factor: float = 0.1
  solver: str = "euler"

  @classmethod
  def of(cls, config: ConfigDict) -> "GenerateOptions":
    """From config.generation."""
    return _of(cls, config)
