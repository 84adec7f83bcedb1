"""Rename table of FID's Inception (pt_inception-2015-12-05-6726825d.pth)."""

from collections.abc import Iterator

from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.layers import linear
from scenetok_jax.metrics.table_layers import KERNEL_2D, units_table

# Names under which the one file is published.
FILES = (
  "pt_inception-2015-12-05-6726825d.pth",
  "weights-inception-2015-12-05-6726825d.pth",
)

_STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
_DOUBLE = tuple(f"3x3dbl_{i}" for i in (1, 2, 3))
_SEVEN = tuple(f"7x7_{i}" for i in (1, 2, 3))
_SEVEN_DOUBLE = tuple(f"7x7dbl_{i}" for i in (1, 2, 3, 4, 5))
_A = ("1x1", "5x5_1", "5x5_2", *_DOUBLE, "_pool")
_B = ("3x3", *_DOUBLE)
_C = ("1x1", *_SEVEN, *_SEVEN_DOUBLE, "_pool")
_D = ("3x3_1", "3x3_2", *(f"7x7x3_{i}" for i in (1, 2, 3, 4)))
_E = (
  *("1x1", "3x3_1", "3x3_2a", "3x3_2b"),
  *("3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool"),
)
_BLOCKS = {
  **dict.fromkeys(("5b", "5c", "5d"), _A),
  "6a": _B,
  **dict.fromkeys(("6b", "6c", "6d", "6e"), _C),
  "7a": _D,
  **dict.fromkeys(("7b", "7c"), _E),
}


def _units() -> Iterator[str]:
  for name in _STEM:
    yield f"Conv2d_{name}"
  for block, branches in _BLOCKS.items():
    for branch in branches:
      yield f"Mixed_{block}.branch{branch}"


def table() -> Table:
  """The rename table of metrics.inception.Inception."""
  return units_table(_units(), "conv", KERNEL_2D, linear("fc", "fc"))
