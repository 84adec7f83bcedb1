"""How networks compute, where a configuration leaves it to the device."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from scenetok_jax.types import AUTO, InputError

_NETWORKS = "tokenizer", "decoder", "generator"
_LARGEST, _AMPERE = 128, 8.0  # a head's size, a GPU's capability


class Compute(NamedTuple):
  """Fields of a configuration: compute type, remat policy, attention."""

  dtype: str
  remat: str
  attention: str

  @classmethod
  def of(cls, config: Any, device: Callable[[], Any]) -> "Compute":
    """A configuration's, each "auto" replaced by what suits the device.

    device: asked only where something is "auto" or "cudnn". remat: "none",
    which suits whoever needs no gradient; a training chooses (train/auto.py).
    InputError for "cudnn" where cudnn_lack says something.
    """
    dtype, remat, attention = config.dtype, config.remat, config.attention
    if dtype == AUTO:
      dtype = "float32" if device().platform == "cpu" else "bfloat16"
    if attention == AUTO:
      attention = _kernel(config, device(), dtype)
    elif attention == "cudnn" and (lack := cudnn_lack(config, device(), dtype)):
      raise InputError(
        f"config.attention: cudnn has {lack}; change that, or set"
        " --config.attention=xla"
      )
    return cls(dtype, "none" if remat == AUTO else remat, attention)


def _kernel(config: Any, device: Any, dtype: str) -> str:
  """The fused attention of a device, if it has one for the type, or "xla"."""
  if device.platform == "tpu":
    return "splash"
  fused = device.platform == "gpu" and not cudnn_lack(config, device, dtype)
  return "cudnn" if fused else "xla"


def cudnn_lack(config: Any, device: Any, dtype: str) -> str | None:
  """What cuDNN lacks for a configuration's attentions, None if nothing."""
  networks = (config.get(name) for name in _NETWORKS)
  sizes = {net.width // net.heads for net in networks if net}
  # A CPU's have none: it may compile for a GPU that is not there.
  capability = str(getattr(device, "compute_capability", ""))
  return next(filter(None, (_lack(n, dtype, capability) for n in sizes)), None)


def _lack(size: int, dtype: str, capability: str) -> str | None:
  """cudnn_lack for heads of one size.

  What JAX 0.10.2 refuses while it traces (jax/_src/cudnn/
  fused_attention_stablehlo.py) and, of GPUs, cuDNN itself. Heads of more than
  128 it takes on some GPUs alone. Lengths may be any: there is no bias.
  """
  if dtype == "float32":
    return "no float32, only --config.dtype=bfloat16"
  if size % 8 or size > _LARGEST:
    return f"no heads of {size}, only multiples of 8 up to {_LARGEST}"
  known = re.fullmatch(r"\d+\.\d+", capability)  # AMD's read gfx90a
  if capability and not (known and float(capability) >= _AMPERE):
    return f"no GPU {capability}, only NVIDIA's of capability {_AMPERE} and up"
  return None
