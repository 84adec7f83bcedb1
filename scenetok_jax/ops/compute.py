"""How networks compute, where a configuration leaves it to the device."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from scenetok_jax.types import AUTO


class Compute(NamedTuple):
  """Fields of a configuration: compute type, remat policy, attention."""

  dtype: str
  remat: str
  attention: str

  @classmethod
  def of(cls, config: Any, device: Callable[[], Any]) -> "Compute":
    """A configuration's, each "auto" replaced by what suits the device.

    device: asked only where something is "auto". remat: "none", which suits
    whoever needs no gradient; a training chooses (train/auto.py).
    """
    dtype, remat, attention = config.dtype, config.remat, config.attention
    if dtype == AUTO:
      dtype = "float32" if device().platform == "cpu" else "bfloat16"
    if attention == AUTO:
      attention = "cudnn" if _fused(device(), dtype) else "xla"
    return cls(dtype, "none" if remat == AUTO else remat, attention)


def _fused(device: Any, dtype: str) -> bool:
  """Whether cuDNN has attention for it: NVIDIA GPUs from Ampere on."""
  capability = str(getattr(device, "compute_capability", ""))
  # AMD's read gfx90a.
  known = re.fullmatch(r"\d+\.\d+", capability) is not None
  return known and float(capability) >= 8.0 and dtype != "float32"
