"""Layers of the frozen evaluation networks; channels last, float32.

Their parameters keep the published names: they are never trained, and a
reader who compares a number with the literature looks for those names. All
products run at the highest precision, lest a score depend on the machine.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.convert.derived import Rename, derived_table
from scenetok_jax.convert.engine import Table
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array

Padding = str | Sequence[tuple[int, int]]
_EPSILON = 1e-3  # of both published networks


def conv(
  features: int,
  kernel: Sequence[int],
  strides: Sequence[int] | None = None,
  padding: Padding = "VALID",
  *,
  use_bias: bool,
  name: str,
) -> nn.Conv:
  """A cross-correlation [B ... C] -> [B ... features], rank by its kernel."""
  return nn.Conv(
    features,
    kernel,
    strides or (1,) * len(kernel),
    padding,
    use_bias=use_bias,
    dtype=jnp.float32,
    precision=jax.lax.Precision.HIGHEST,
    # Always overwritten by published weights; random draws trace slowly.
    kernel_init=nn.initializers.zeros,
    name=name,
  )


class FrozenNorm(nn.Module):
  """Batch normalisation with stored statistics: x [... C] -> same."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (x.shape[-1],)
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    scale = self.param("scale", ones, shape)
    bias = self.param("bias", zeros, shape)
    mean = self.param("mean", zeros, shape)
    var = self.param("var", ones, shape)
    factor = scale * jax.lax.rsqrt(var + _EPSILON)
    return x * trailing(factor, x) + trailing(bias - mean * factor, x)


class Unit(nn.Module):
  """Convolution without bias, stored normalisation, ReLU: [B ... C]."""

  features: int
  kernel: Sequence[int]
  strides: Sequence[int] | None = None
  padding: Padding = "VALID"

  @nn.compact
  def __call__(self, x: Array) -> Array:
    fields = (self.features, self.kernel, self.strides, self.padding)
    x = conv(*fields, use_bias=False, name="conv")(x)
    return nn.relu(FrozenNorm(name="norm")(x))


def units_table(shapes: dict, conv: str, *renames: Rename) -> Table:
  """The rename table of a network of units that bear the published names.

  shapes: its abstract parameters. conv: what the file calls a unit's
  convolution. renames: of everything else. Counters of training, which a file
  may hold, are ignored.
  """
  table = derived_table(
    shapes, (("/conv/", f"/{conv}/"), ("/norm/", "/bn/"), *renames)
  )
  suffix = ".bn.weight"
  units = [r.torch for r in table.rules if r.torch.endswith(suffix)]
  counters = {
    f"{unit.removesuffix(suffix)}.bn.num_batches_tracked": _zero
    for unit in units
  }
  return Table(table.rules, buffers=counters)


def _zero() -> np.ndarray:
  return np.array(0, np.int64)
