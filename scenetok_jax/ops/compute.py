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
      attention = _kernel(device(), dtype)
    return cls(dtype, "none" if remat == AUTO else remat, attention)


def _kernel(device: Any, dtype: str) -> str:
  """The fused attention of a device, if it has one for the type, or "xla"."""
  if device.platform == "tpu":
    return "splash"
  # cuDNN's is for NVIDIA GPUs from Ampere on. AMD's read gfx90a.
  capability = str(getattr(device, "compute_capability", ""))
  known = re.fullmatch(r"\d+\.\d+", capability) is not None
  fused = known and float(capability) >= 8.0 and dtype != "float32"
  return "cudnn" if fused else "xla"
