"""Rename rules of the evaluation networks' units: convolution, BatchNorm."""

from collections.abc import Iterable

import numpy as np

from scenetok_jax.convert.engine import Rule, Table
from scenetok_jax.convert.layers import Rules, same

# torch's names of what a batch normalisation stores, and ours.
_NORM = {
  "weight": "scale",
  "bias": "bias",
  "running_mean": "mean",
  "running_var": "var",
}
_COUNTER = "num_batches_tracked"  # of training; may be absent

KERNEL_2D = "o i p q -> p q i o"
KERNEL_3D = "o i t p q -> t p q i o"


def units_table(
  units: Iterable[str], conv: str, kernel: str, rest: Rules
) -> Table:
  """The table of a network of units whose names are ours with dots.

  Args:
    units: "Mixed_5b.branch1x1".
    conv: what a unit's convolution is called, "conv" or "conv3d".
    kernel: einops pattern of its weight.
    rest: rules of everything else.
  """
  units = tuple(units)
  rules = rest
  for unit in units:
    flax = unit.replace(".", "/")
    rules += (Rule(f"{unit}.{conv}.weight", (f"{flax}/conv/kernel",), kernel),)
    for torch, own in _NORM.items():
      rules += same(f"{unit}.bn.{torch}", f"{flax}/norm/{own}")
  counters = {f"{unit}.bn.{_COUNTER}": _zero for unit in units}
  return Table(rules, buffers=counters)


def _zero() -> np.ndarray:
  return np.array(0, np.int64)
