"""Attention over the mesh's axis `sequence`: lengths exchanged for heads.

Outside, a device has some tokens of all its heads; inside, all tokens of some,
so that every kernel works as it is (Jacobs et al. 2023, DeepSpeed Ulysses).
Only places are written here: the all-to-alls between them, and those of the
gradients, are the compiler's.
"""

import jax

from scenetok_jax.parallel.rules import Spec, constrain
from scenetok_jax.types import Array

_OUTSIDE: Spec = ("batch", "length", "heads", None)
_EXCHANGED: Spec = ("batch", None, "exchanged", None)
_GATHERED: Spec = ("batch", None, "heads", None)


def inside(heads: int) -> Spec:
  """Logical axes of queries, keys and values [B L heads d] in attention.

  Where tensor x sequence does not divide the heads, devices along `sequence`
  gather all lengths and do the same work.
  """
  sizes = jax.sharding.get_abstract_mesh().shape
  ways = sizes.get("sequence", 1)
  exchanged = ways > 1 and heads % (ways * sizes["tensor"]) == 0
  return _EXCHANGED if exchanged else _GATHERED


def enter(x: Array) -> Array:
  """A query, key or value [B L heads d], brought to where attention is."""
  axes = inside(x.shape[2])
  if axes == _EXCHANGED:
    # Said, or the compiler may gather what x is projected from.
    x = constrain(x, *_OUTSIDE)
  return constrain(x, *axes)


def leave(x: Array) -> Array:
  """What attention returns [B L heads d], brought back to its tokens."""
  axes = inside(x.shape[2])
  if axes == _EXCHANGED:
    x = constrain(constrain(x, *axes), *_OUTSIDE)
  return x
