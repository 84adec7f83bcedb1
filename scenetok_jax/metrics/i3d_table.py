"""Rename table of FVD's I3D (rgb_imagenet.pt)."""

from collections.abc import Iterator

from scenetok_jax.convert.engine import Rule, Table
from scenetok_jax.convert.layers import same
from scenetok_jax.metrics.table_layers import KERNEL_3D, units_table

FILES = ("rgb_imagenet.pt",)

_STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
_MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
_BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")


def _units() -> Iterator[str]:
  yield from _STEM
  for block in _MIXED:
    for branch in _BRANCHES:
      yield f"Mixed_{block}.{branch}"


def table() -> Table:
  """The rename table of metrics.i3d.I3d."""
  kernel = Rule("logits.conv3d.weight", ("logits/kernel",), KERNEL_3D)
  rest = (kernel, *same("logits.conv3d.bias", "logits/bias"))
  return units_table(_units(), "conv3d", KERNEL_3D, rest)
