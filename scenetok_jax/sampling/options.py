"""How videos and tokens are sampled: steps, solver, guidance, windows."""

import dataclasses
from typing import Self

from ml_collections import ConfigDict


class _Options:
  @classmethod
  def of(cls, config: ConfigDict) -> Self:
    """From config.sampling or config.generation: the fields that it has."""
    names = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return cls(**{name: config[name] for name in names if name in config})


@dataclasses.dataclass(frozen=True)
class RenderOptions(_Options):
  """How to denoise a video; see flow.windows.schedule.

  shift: timestep shift of the noise levels. solver: see flow.solvers.
  guidance: 1 is none. interval: noise levels between which it acts.
  uncertainty_scale: steps by which a latent of the sampler "pyramid" lags
    behind the one before.
  reuse: for each step of a window, whether it takes what the blocks add from
    the last computed step (flow.caching); empty: none does.
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
  reuse: tuple[bool, ...] = ()


@dataclasses.dataclass(frozen=True)
class GenerateOptions(_Options):
  """How to draw tokens: steps and shift of the schedule; guidance 1 is none.

  scale_factor: tokens are generated times this factor (release: 0.1).
  solver: see flow.solvers.
  """

  steps: int = 150
  shift: float = 4.0
  guidance: float = 3.0
  scale_factor: float = 0.1
  solver: str = "euler"
